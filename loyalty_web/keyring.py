"""Who presented a key: looked up at most once a second for each key, so that a revocation is felt within one."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog

from loyalty_core.domain.errors import InFlight, LoyaltyError, StorageUnavailable
from loyalty_core.ports.api_keys import ApiKey, ApiKeys, KeyId, KeyUse
from loyalty_core.ports.clock import Clock
from loyalty_core.use_cases.flights import Flights
from loyalty_web.api_keys import Peppers, key_id_of

STALE_AFTER: Final = 1.0
"""Seconds after which what is known of a key is read again."""
REMEMBERED: Final = 4096
"""Keys that are known at once, those that do not exist included; the one not asked for longest is forgotten."""
COARSELY: Final = timedelta(minutes=1)
"""How far the time of a key's last use may lag behind; so often at most is it written."""
_NOBODY: Final = KeyId("")
_LOOK_UP: Final = 2.0
_WRITE_USES: Final = 5.0

_log = structlog.get_logger(context="Keyring")


class _Known(NamedTuple):
    key: ApiKey | None
    read_at: float


class Keyring:
    """Judges presented keys, and notes in batches when they were used."""

    def __init__(self, keys: ApiKeys, peppers: Peppers, clock: Clock) -> None:
        self._keys = keys
        self._peppers = peppers
        self._clock = clock
        self._known: OrderedDict[KeyId, _Known] = OrderedDict()
        self._flights = Flights()
        self._uses: dict[KeyId, KeyUse] = {}

    async def open(self, presented: str) -> ApiKey | None:
        """The key that was presented, if it opens anything now; None where it does not, without saying why.

        Raises:
            StorageUnavailable, Overloaded: keys cannot be looked up.
        """
        key_id = key_id_of(presented)
        stored = None if key_id is None else await self._find(key_id)
        now = self._clock.now()
        if not self._peppers.opens(presented, stored) or stored is None or not stored.is_good(now):
            return None
        self._note_use(presented, stored, now)
        return stored

    def knows(self, presented: str) -> bool:
        """Whether there is a key of that name, as far as this process remembers; asks nobody."""
        known = self._known.get(key_id_of(presented) or _NOBODY)
        return known is not None and known.key is not None

    @asynccontextmanager
    async def noting_uses(self) -> AsyncIterator[None]:
        """Write, for as long as the block runs, when keys were used; the last of it at its end."""
        task = asyncio.create_task(self._write_regularly())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._write_uses()

    async def _find(self, key_id: KeyId) -> ApiKey | None:
        known = self._known.get(key_id)
        if known is not None and self._clock.monotonic() - known.read_at < STALE_AFTER:
            self._known.move_to_end(key_id)
            return known.key
        try:
            key, _ = await self._flights.board(key_id, lambda: self._look_up(key_id), within=_LOOK_UP)
        except InFlight:
            raise StorageUnavailable from None
        return key

    async def _look_up(self, key_id: KeyId) -> ApiKey | None:
        began = self._clock.monotonic()  # before the read: what changes during it counts as not seen
        key = await self._keys.find(key_id)
        self._known[key_id] = _Known(key, began)
        self._known.move_to_end(key_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return key

    def _note_use(self, presented: str, stored: ApiKey, now: datetime) -> None:
        """Unless one is about to be written, or somebody has written one less than a minute ago."""
        if stored.id in self._uses:
            return
        recent = stored.last_used_at is not None and now - stored.last_used_at < COARSELY
        outdated = self._peppers.is_outdated(stored)
        if outdated or not recent:
            renewed = self._peppers.digest(presented) if outdated else None
            self._uses[stored.id] = KeyUse(id=stored.id, at=now, digest=renewed)

    async def _write_regularly(self) -> None:
        while True:
            await self._clock.sleep(_WRITE_USES)
            await self._write_uses()

    async def _write_uses(self) -> None:
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        try:
            await self._keys.record_uses(tuple(uses.values()))
        except LoyaltyError as error:
            # Coarse by nature: the next use is noted again. A digest that was to be renewed is, too.
            _log.warning("The use of API keys could not be noted", code=error.code)
