from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

import msgspec

from loyalty_core.ports.api_keys import ApiKey, KeyId, KeyUse, check_channels_free, following


class MemoryApiKeys:
    """`ApiKeys` in a dictionary; nothing in it awaits, so each method is atomic."""

    def __init__(self, *keys: ApiKey) -> None:
        self._keys: Final = {key.id: key for key in keys}

    async def find(self, key_id: KeyId) -> ApiKey | None:
        """See `ApiKeys.find`."""
        return self._keys.get(key_id)

    async def add(self, key: ApiKey) -> None:
        """See `ApiKeys.add`."""
        check_channels_free(key, self._keys.values())
        self._keys[key.id] = key

    async def every(self) -> tuple[ApiKey, ...]:
        """See `ApiKeys.every`."""
        return tuple(sorted(self._keys.values(), key=attrgetter("client", "created_at", "id")))

    async def revoke(self, key_id: KeyId, at: datetime) -> ApiKey | None:
        """See `ApiKeys.revoke`."""
        key = self._keys.get(key_id)
        if key is None:
            return None
        if key.revoked_at is None:
            key = self._keys[key_id] = msgspec.structs.replace(key, revoked_at=at)
        return key

    async def succeed(self, successor: ApiKey, key_id: KeyId, at: datetime, ends_at: datetime) -> ApiKey | None:
        """See `ApiKeys.succeed`."""
        key = self._keys.get(key_id)
        if key is None:
            return None
        successor, ending = following(key, successor, at, ends_at)
        self._keys[successor.id], self._keys[key_id] = successor, ending
        return successor

    async def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """See `ApiKeys.record_uses`."""
        for use in uses:
            key = self._keys.get(use.id)
            if key is None:
                continue
            latest = use.at if key.last_used_at is None else max(key.last_used_at, use.at)
            digest = key.digest if use.digest is None else use.digest
            self._keys[use.id] = msgspec.structs.replace(key, last_used_at=latest, digest=digest)
