"""How often a client may call, over all processes; and how often an address may try keys that open nothing."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import ceil
from typing import Final, TypeAlias

import msgspec

from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.allowances import Allowance, Allowances, AllowancesAway, Grant
from loyalty_core.ports.clock import Clock
from loyalty_web.errors import RateLimited
from loyalty_web.tally import Tally

CLIENT: Final = "client"
ADDRESS: Final = "address"
_REMEMBERED: Final = 4096
"""Refusals that are known at once, of clients and of addresses each; the oldest is forgotten, and asked for again."""

Headers: TypeAlias = list[tuple[bytes, bytes]]


class LimitPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed; None: anything."""

    clients: Allowance | None
    """Calls of each client that is not named below."""
    by_client: Mapping[str, Allowance | None] = {}
    failures: Allowance | None
    """Calls of each address that no key opens."""


class RateLimits:
    """Grants calls, or raises `RateLimited`.

    What all processes share is asked first; while it is away each process grants the whole allowance by itself, for a
    limit is there to stop floods and must not turn a till away because Redis has gone. Whoever was refused is refused
    again without asking anybody until a call can have come back: that moment only ever moves away.
    """

    def __init__(
        self,
        shared: Allowances,
        own: Allowances,
        policy: LimitPolicy,
        clock: Clock,
        tally: Tally,
        *,
        on_refusal: Callable[[str], None] = lambda _: None,
        on_alone: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_refusal` is told by which limit a call was turned away, `on_alone` of each one judged by `own`."""
        self._shared = shared
        self._own = own
        self._policy = policy
        self._clock = clock
        self._tally = tally
        self._on_refusal = on_refusal
        self._on_alone = on_alone
        self._clients = _Refusals(clock)
        self._addresses = _Refusals(clock)

    async def check_client(self, client: ClientId) -> Headers:
        """Count one call of `client`; the headers that tell it where it stands.

        Raises:
            RateLimited: it has none left.
        """
        policy = self._policy
        allowance = policy.by_client.get(client, policy.clients)
        if allowance is None:
            return []
        if (wait := self._clients.wait(client)) > 0:
            raise self._refusal(CLIENT, client, allowance, wait)
        grant = await self._take(f"{CLIENT}:{client}", allowance)
        if not grant.granted:
            self._clients.note(client, grant.wait)
            raise self._refusal(CLIENT, client, allowance, grant.wait)
        return standing(CLIENT, allowance, grant.remaining, grant.whole_after)

    async def note_failure(self, address: str) -> None:
        """Count a call from `address` that no key has opened.

        Raises:
            RateLimited: it has none left, and is not even told that its key is wrong.
        """
        allowance = self._policy.failures
        if allowance is None:
            return
        grant = await self._take(f"{ADDRESS}:{address}", allowance)
        if not grant.granted:
            self._addresses.note(address, grant.wait)
            raise self._refusal(ADDRESS, address, allowance, grant.wait)

    @property
    def shuts_out_anybody(self) -> bool:
        """Whether `check_address` could refuse any address at all."""
        return bool(self._addresses)

    def check_address(self, address: str) -> None:
        """Spare the work of judging a key for an address that has none left.

        Raises:
            RateLimited: it has not.
        """
        allowance = self._policy.failures
        if allowance is not None and (wait := self._addresses.wait(address)) > 0:
            raise self._refusal(ADDRESS, address, allowance, wait)

    async def _take(self, name: str, allowance: Allowance) -> Grant:
        try:
            return await self._shared.take(name, allowance)
        except AllowancesAway:
            self._on_alone()
            return await self._own.take(name, allowance)

    def _refusal(self, by: str, who: str, allowance: Allowance, wait: float) -> RateLimited:
        self._on_refusal(by)
        self._tally.count(f"{by} {who}: rate")
        return RateLimited(by, retry_after=wait, headers=standing(by, allowance, 0, max(1.0, wait)))


class _Refusals:
    """Until when nothing can be granted to whom."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._until)

    def note(self, who: str, wait: float) -> None:
        """Nothing can be granted to `who` for `wait` seconds."""
        self._until[who] = self._clock.monotonic() + wait
        self._until.move_to_end(who)
        if len(self._until) > _REMEMBERED:
            self._until.popitem(last=False)

    def wait(self, who: str) -> float:
        """Seconds until something can; 0 or less: now, for all that is known here."""
        until = self._until.get(who)
        if until is None:
            return 0.0
        wait = until - self._clock.monotonic()
        if wait <= 0:
            del self._until[who]
        return wait


def standing(by: str, allowance: Allowance, remaining: int, seconds: float) -> Headers:
    """Where a caller stands, as the IETF's draft on rate limit headers has it: calls, and seconds."""
    policy = f'"{by}";q={allowance.burst};w={max(1, ceil(allowance.window))}'
    limit = f'"{by}";r={remaining};t={ceil(seconds)}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", limit.encode())]
