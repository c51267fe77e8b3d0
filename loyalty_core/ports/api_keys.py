from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.channel_patterns import patterns_overlap
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.identifiers import ClientId

KeyId = NewType("KeyId", str)
"""The public half of an API key: names it in logs and lists, opens nothing."""


class Scope(StrEnum):
    """What a key may be used for."""

    POS = "pos"
    """The calls of a till."""
    OPS = "ops"
    """The calls of an operator's tools."""


class KeyDigest(msgspec.Struct, frozen=True):
    """What is kept of a key's secret half, and under which pepper it was made."""

    pepper_id: str
    value: bytes

    def __repr__(self) -> str:
        return f"KeyDigest(pepper_id={self.pepper_id!r})"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as stored. The key itself was shown once, when it was made, and is nowhere."""

    id: KeyId
    digest: KeyDigest
    client: ClientId
    channels: tuple[str, ...]
    """Names, or prefixes ending in ``*``; see `Caller`."""
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """Coarse: written in batches, some seconds late."""

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def caller(self) -> Caller:
        """Who asks when this key is used."""
        return Caller(self.client, self.channels)

    @property
    def holds_channels(self) -> bool:
        """Whether its channels are its client's for good: only a key revoked before its first use gives them back."""
        return self.revoked_at is None or self.last_used_at is not None


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """That a key was used, and where its digest is of a pepper that is going out of use, its new digest."""

    id: KeyId
    at: datetime
    digest: KeyDigest | None = None


class ChannelsTaken(LoyaltyError):
    """A key of another client covers some of the same channels; nothing was stored."""

    code = "channels_taken"

    def __init__(self, pattern: str, client: ClientId, other: str) -> None:
        super().__init__(
            f"{pattern} overlaps {other}, which belongs to client {client}; "
            "no two clients can own the same channel, so choose other channels or make the key for that client"
        )


class KeyNotRenewable(LoyaltyError):
    """A key that opens nothing any more has no successor; nothing was stored."""

    code = "key_not_renewable"

    def __init__(self, key_id: KeyId) -> None:
        super().__init__(f"key {key_id} opens nothing any more; create a new key instead")


def check_channels_free(key: ApiKey, others: Iterable[ApiKey]) -> None:
    """Hold a new key to channels that no other client has.

    Raises:
        ChannelsTaken: another client has, or had, some of them.
    """
    for other in others:
        if other.client == key.client or not other.holds_channels:
            continue
        for pattern in key.channels:
            for taken in other.channels:
                if patterns_overlap(pattern, taken):
                    raise ChannelsTaken(pattern, other.client, taken)


def following(key: ApiKey, successor: ApiKey, at: datetime, ends_at: datetime) -> tuple[ApiKey, ApiKey]:
    """The successor of `key` and the key with its end, both as they are to be stored; see `ApiKeys.succeed`.

    Raises:
        KeyNotRenewable: at `at` the key opens nothing.
    """
    if not key.is_good(at):
        raise KeyNotRenewable(key.id)
    ends_at = ends_at if key.expires_at is None else min(key.expires_at, ends_at)
    rights = {"client": key.client, "channels": key.channels, "scopes": key.scopes}
    return msgspec.structs.replace(successor, **rights), msgspec.structs.replace(key, expires_at=ends_at)


class ApiKeys(Protocol):
    """The keys that open the service. Every method may raise `StorageUnavailable` and `Overloaded`."""

    async def find(self, key_id: KeyId) -> ApiKey | None:
        """The key, revoked and expired ones included, or None."""
        ...

    async def add(self, key: ApiKey) -> None:
        """Store a new key. Of two that overlap, however close in time, only one is stored.

        Raises:
            ChannelsTaken: see `check_channels_free`; nothing was stored.
        """
        ...

    async def every(self) -> tuple[ApiKey, ...]:
        """All keys there are or were, by client and then the time they were made."""
        ...

    async def revoke(self, key_id: KeyId, at: datetime) -> ApiKey | None:
        """End a key; the key as it is then, or None where there is none. An earlier revocation stands."""
        ...

    async def succeed(self, successor: ApiKey, key_id: KeyId, at: datetime, ends_at: datetime) -> ApiKey | None:
        """Store `successor`, and let the key it follows end at `ends_at`, both or neither; None where there is none.

        The successor has the client, channels and scopes of the stored key, whatever its own say: nobody widens a key
        by renewing it. A key that ends before `ends_at` anyway still does. Returns the successor as stored.

        Raises:
            KeyNotRenewable: at `at` the key opens nothing; nothing was stored.
        """
        ...

    async def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """Note when keys were last used; a time before the one noted changes nothing."""
        ...
