import asyncio
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

import msgspec

from loyalty_core.domain.errors import Overloaded, StorageUnavailable
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.delivery_pace import DeliveryPace
from loyalty_core.use_cases.errand import Errand
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_errand import ReturnErrand
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.settlement import Settlement
from loyalty_core.use_cases.turns import Try
from loyalty_core.use_cases.under_way import UnderWay

ReceiptT = TypeVar("ReceiptT")

_GRACE: Final = timedelta(seconds=5)
"""How much longer than its deadline a claim lasts, so that a slow outcome is not overtaken."""
_LONGEST: Final = 2.0
"""Seconds after which a round claims no more: whoever runs it may have been asked to stop."""
_IDLE: Final = 1.0
"""Seconds to the next look where nothing is due."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of deliveries came to."""

    claimed: int
    settled: int
    """Booked or refused for good."""
    pause: float
    """Seconds after which the next round makes sense; 0 where there may be more at once."""


class _Delivered(NamedTuple):
    settled: bool
    host_failed: bool


class DeliverPending:
    """Delivers what is owed to the host, one round at a time. Any number of workers may run it side by side."""

    def __init__(
        self, ports: Ports, *, settlement: Settlement, programs: SaleProgram, budgets: Budgets, pace: DeliveryPace
    ) -> None:
        self._queue = ports.queue
        self._host = ports.host
        self._clock = ports.clock
        self._observer = ports.observer
        self._settlement = settlement
        self._programs = programs
        self._budgets = budgets
        self._pace = pace

    async def __call__(self) -> Round:
        """Claim what is due and may be sent now, try each once, and wait for all of it.

        At full pace more is claimed as soon as half of it has ended, for a while: neither the host nor this process
        then waits for the slowest of a round.

        Raises:
            StorageUnavailable, Overloaded: nothing was claimed.
        """
        wait = self._host.unavailable_for()
        if wait > 0:
            self._pace.slow_down()
            return Round(claimed=0, settled=0, pause=wait)
        under_way: UnderWay[_Delivered] = UnderWay()
        try:
            claimed = await self._claim_all(under_way)
            deliveries = await under_way.all()
        except (Exception, asyncio.CancelledError):
            under_way.cancel()
            raise
        if not claimed:
            return Round(claimed=0, settled=0, pause=_IDLE)
        ended = self._clock.monotonic()
        self._pace.learn(ended, host_failed=any(delivery.host_failed for delivery in deliveries))
        settled = sum(delivery.settled for delivery in deliveries)
        return Round(claimed=claimed, settled=settled, pause=self._pace.pause(ended))

    async def _claim_all(self, under_way: UnderWay[_Delivered]) -> int:
        """Begin what a round may hold; at full pace until the queue runs short, the host fails, or time is up."""
        until, size = self._clock.monotonic() + _LONGEST, self._pace.size()
        asked = size
        claimed = total = await self._claim(asked, under_way)
        while claimed == asked and self._pace.is_full:
            await under_way.are_at_most(size // 2)
            if self._clock.monotonic() >= until or any(delivery.host_failed for delivery in under_way.ended()):
                break
            asked = size - len(under_way)
            try:
                claimed = await self._claim(asked, under_way)
            except (StorageUnavailable, Overloaded):
                break  # the next round will say so; what is under way is not its victim
            total += claimed
        return total

    async def _claim(self, number: int, under_way: UnderWay[_Delivered]) -> int:
        claimed = await self._queue.claim_due(number, timedelta(seconds=self._budgets.finalize) + _GRACE)
        for loaded in claimed:
            under_way.begin(self._deliver(loaded))
        return len(claimed)

    async def _deliver(self, loaded: Loaded) -> _Delivered:
        session, deadline = loaded.session, Deadline(self._clock, self._budgets.finalize)
        if session.status is SessionStatus.FINALIZING:
            origin = None if session.intent is None else session.intent.origin
            return await self._try(loaded, SALE, deadline, origin)
        goods = next(goods for goods in session.returns if goods.is_owed)
        try:
            program = await self._programs.of(session)
        except (StorageUnavailable, Overloaded):
            # As if this worker had died here: the lease ends by itself. The others of the round are not its victims.
            return _Delivered(settled=False, host_failed=False)
        return await self._try(loaded, ReturnErrand(goods.id, program), deadline, goods.origin)

    async def _try(
        self, loaded: Loaded, errand: Errand[ReceiptT], deadline: Deadline, origin: str | None
    ) -> _Delivered:
        delivery = errand.delivery(loaded.session)
        if delivery is None or delivery.claimed_until is None:
            raise ValueError("what was claimed is owed, and has a lease")
        time, lease = StoreTime(self._clock, loaded.now), delivery.claimed_until
        turn = Try(errand=errand, deadline=deadline, time=time, lease=lease, live=False)
        with self._observer.delivering(origin):
            result = await self._settlement.advance(loaded.session, turn, begun=False)
        return _Delivered(settled=errand.delivery(result.session) is None, host_failed=result.host_failed)
