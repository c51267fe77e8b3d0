import asyncio
from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.delivery_queue import DeliveryQueue
from loyalty_core.ports.loyalty_host import LoyaltyHost
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.session_store import Loaded
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.delivery_pace import DeliveryPace
from loyalty_core.use_cases.errands import SALE, ReturnErrand
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.settlement import Settled, Settlement, Try

_GRACE: Final = timedelta(seconds=5)
"""How much longer than its deadline a claim lasts, so that a slow outcome is not overtaken."""
_IDLE: Final = 1.0
"""Seconds to the next look where nothing is due."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of deliveries came to."""

    claimed: int
    settled: int
    """Booked or refused for good."""
    pause: float
    """Seconds after which the next round makes sense; 0 where there may be more at once."""


class DeliverPending:
    """Delivers what is owed to the host, one round at a time. Any number of workers may run it side by side."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        host: LoyaltyHost,
        settlement: Settlement,
        programs: SaleProgram,
        clock: Clock,
        observer: Observer,
        budgets: Budgets,
        pace: DeliveryPace,
    ) -> None:
        self._queue = queue
        self._host = host
        self._settlement = settlement
        self._programs = programs
        self._clock = clock
        self._observer = observer
        self._budgets = budgets
        self._pace = pace

    async def __call__(self) -> Round:
        """Claim what is due and may be sent now, try each once, and wait for all of it.

        Raises:
            StorageUnavailable, Overloaded: nothing was claimed.
        """
        wait = self._host.unavailable_for()
        if wait > 0:
            self._pace.slow_down()
            return Round(claimed=0, settled=0, pause=wait)
        claimed = await self._queue.claim_due(self._pace.size(), timedelta(seconds=self._budgets.finalize) + _GRACE)
        results = await asyncio.gather(*(self._deliver(loaded) for loaded in claimed))
        if not claimed:
            return Round(claimed=0, settled=0, pause=_IDLE)
        ended = self._clock.monotonic()
        self._pace.learn(ended, host_failed=any(result.host_failed for result in results))
        settled = sum(result.session.status is not SessionStatus.FINALIZING for result in results)
        return Round(claimed=len(claimed), settled=settled, pause=self._pace.pause(ended))

    async def _deliver(self, loaded: Loaded) -> Settled:
        session, time = loaded.session, StoreTime(self._clock, loaded.now)
        deadline = Deadline(self._clock, self._budgets.finalize)
        if session.status is SessionStatus.FINALIZING:
            sale = Try(errand=SALE, deadline=deadline, time=time, lease=_lease(session.delivery), live=False)
            with self._observer.delivering(None if session.intent is None else session.intent.origin):
                return await self._settlement.advance(session, sale, begun=False)
        goods = next(goods for goods in session.returns if goods.is_owed)
        errand = ReturnErrand(goods.id, await self._programs.of(session))
        turn = Try(errand=errand, deadline=deadline, time=time, lease=_lease(goods.delivery), live=False)
        with self._observer.delivering(goods.origin):
            return await self._settlement.advance(session, turn, begun=False)


def _lease(delivery: Delivery | None) -> datetime:
    if delivery is None or delivery.claimed_until is None:
        raise ValueError("what was claimed has a lease")
    return delivery.claimed_until
