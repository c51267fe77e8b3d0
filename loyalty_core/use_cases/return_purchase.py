from datetime import datetime

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import ConcurrentUpdate, InFlight, SettlementFailed, TransactionMismatch
from loyalty_core.domain.fingerprint import fingerprint
from loyalty_core.domain.identifiers import ReturnId, SessionId, check_external_id
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.return_request import ReturnRequest
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_returns import begin_return, complete_return, find_return, is_next
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import Call, Lane, SessionChange
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import Recorded, ReturnAnswer, recall, record
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_errand import ReturnErrand
from loyalty_core.use_cases.session_answers import return_answer
from loyalty_core.use_cases.settlement import Settlement
from loyalty_core.use_cases.transitions import Transitions
from loyalty_core.use_cases.turns import Try

_LOOK = 0.1
"""Seconds between two looks at a twin's progress in another process."""


class ReturnGoods(msgspec.Struct, frozen=True, kw_only=True):
    """Take back a finalized sale, wholly or in part.

    Raises:
        ValidationFailed: the return's id breaks its bounds.
    """

    caller: Caller
    session_id: SessionId
    return_id: ReturnId
    """Unique within the session; with it the idempotency key of the return."""
    request: ReturnRequest
    if_match: int | None = None

    def __post_init__(self) -> None:
        check_external_id("returnId", self.return_id)

    def fingerprint(self) -> str:
        """What the call means within its session."""
        return fingerprint(return_id=self.return_id, request=self.request)


class ReturnPurchase:
    """Records the return's intent, asks the host, records the outcome; or gives the answer of record."""

    def __init__(
        self, ports: Ports, *, flights: Flights, programs: SaleProgram, settlement: Settlement, budgets: Budgets
    ) -> None:
        self._store = ports.store
        self._host = ports.host
        self._cache = ports.cache
        self._clock = ports.clock
        self._observer = ports.observer
        self._flights = flights
        self._programs = programs
        self._settlement = settlement
        self._budgets = budgets
        self._transitions = Transitions(ports)

    async def __call__(self, command: ReturnGoods) -> Recorded[ReturnAnswer]:
        """What was taken back (status `returned`), or the promise that it will be (`accepted`).

        Raises:
            SessionNotFound, TransactionMismatch, VersionMismatch, IllegalTransition: see there.
            OverReturn: more than is left, settled and pending returns considered.
            InvalidReturn: it names no line of the sale, or breaks a bound.
            RejectedByHost, HostRefusedUs: the return was taken back; nothing will happen.
            SettlementFailed: the host refused it, or its sale, after it had been queued.
            InFlight, ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        meaning = command.fingerprint()
        cached = await self._cache.get(Call.RETURN, command.session_id, item=command.return_id)
        if cached is not None and command.caller.may_see(cached.client, cached.channel):
            return _from_cache(cached, meaning)
        answer, joined = await self._flights.board(
            (Call.RETURN, command.caller, command.session_id, meaning, command.if_match),
            lambda: self._return(command, meaning),
            within=self._budgets.give_back + self._budgets.slack,
        )
        return answer.again() if joined else answer

    async def _return(self, command: ReturnGoods, meaning: str) -> Recorded[ReturnAnswer]:
        deadline = Deadline(self._clock, self._budgets.give_back)
        races = 0
        while True:
            left = deadline.left()
            loaded = await load_for(self._store, command.caller, command.session_id)
            session, time = loaded.session, StoreTime(self._clock, loaded.now)
            errand = ReturnErrand(command.return_id, await self._programs.of(session))
            turn = self._settlement.live_turn(errand, time, deadline, left)
            goods = find_return(session, command.return_id)
            try:
                if goods is None:
                    return await self._begin(command, meaning, session, errand, turn)
                known = _answer_of_record(session, goods, meaning)
                if known is not None:
                    self._observer.replayed(Call.RETURN, session)
                    return known
                if not goods.delivery.is_claimed(loaded.now):
                    return await self._promise(session, goods, errand, loaded.now)
            except StaleSession:
                races += 1
                await self._transitions.give_way(races)
                continue
            if deadline.left() < _LOOK:
                raise InFlight
            await self._clock.sleep(_LOOK)

    async def _promise(
        self, session: Session, goods: PurchaseReturn, errand: ReturnErrand, now: datetime
    ) -> Recorded[ReturnAnswer]:
        """Whoever was at work on it is gone: it is the workers' now, and this POS is told so."""
        promised = errand.promise(session, goods.delivery, now)
        await self._transitions.commit(
            SessionChange(before=session, after=promised, cause=Cause.DELIVERY_AWAITED),
            lane=Lane.OUTCOME,
            answer=errand.answer(session, promised),
        )
        return _answer_now(promised, goods.id).again()

    async def _begin(
        self,
        command: ReturnGoods,
        meaning: str,
        session: Session,
        errand: ReturnErrand,
        turn: Try[ReturnFigures],
    ) -> Recorded[ReturnAnswer]:
        now, lease = turn.time.now(), turn.lease
        session.check_version(command.if_match)
        goods = PurchaseReturn(
            id=command.return_id,
            fingerprint=meaning,
            share=errand.share(session, command.request),
            delivery=Delivery(number=session.intents + 1, begun_at=now, next_attempt_at=lease, claimed_until=lease),
            created_at=now,
            origin=self._observer.origin(),
        )
        begun = begin_return(session, goods)
        if errand.is_free(session):
            return await self._finish_without_points(session, begun, errand, now)
        wait = self._host.unavailable_for()
        if wait > 0 or not is_next(begun, goods.id):
            return await self._queue(session, begun, errand, now, wait)
        sendable = begun.host_session is not None
        if sendable:
            begun = errand.attempt(errand.ready(begun), goods.delivery.begin_attempt(now, lease))
        await self._transitions.commit(
            SessionChange(before=session, after=begun, cause=Cause.RETURN_INTENDED, detail=goods.id)
        )
        settled = await self._settlement.advance(begun, turn, begun=sendable)
        if settled.error is not None:
            raise settled.error
        return _answer_now(settled.session, goods.id)

    async def _queue(
        self, session: Session, begun: Session, errand: ReturnErrand, now: datetime, wait: float
    ) -> Recorded[ReturnAnswer]:
        """It waits for the host, for the sale, or for an earlier return: intent and promise in one."""
        goods = begun.returns[-1]
        reason = "circuit_open" if wait > 0 else "queued_behind"
        delivery = msgspec.structs.replace(
            goods.delivery,
            claimed_until=None,
            next_attempt_at=self._settlement.retry_at(now, 0, wait),
            last_error=reason,
        )
        queued = errand.promise(begun, delivery, now)
        await self._transitions.commit(
            SessionChange(before=session, after=queued, cause=Cause.RETURN_INTENDED, detail=goods.id),
            answer=errand.answer(session, queued),
        )
        return _answer_now(queued, goods.id)

    async def _finish_without_points(
        self, session: Session, begun: Session, errand: ReturnErrand, now: datetime
    ) -> Recorded[ReturnAnswer]:
        """The sale was never the host's, so neither is its return."""
        goods = begun.returns[-1]
        finished = complete_return(begun, goods.id, ReturnFigures(points_reversed=0, points_restored=0), now)
        await self._transitions.commit(
            SessionChange(before=session, after=finished, cause=Cause.RETURN_SETTLED, detail=goods.id),
            answer=errand.answer(session, finished),
        )
        return _answer_now(finished, goods.id)


def _from_cache(cached: CachedAnswer, meaning: str) -> Recorded[ReturnAnswer]:
    if cached.fingerprint != meaning:
        raise _mismatch()
    return Recorded(answer=msgspec.json.decode(cached.body, type=ReturnAnswer), body=cached.body, replayed=True)


def _answer_of_record(session: Session, goods: PurchaseReturn, meaning: str) -> Recorded[ReturnAnswer] | None:
    """The answer that an equal call was given before; None while its first is still at work.

    Raises:
        TransactionMismatch: the return is on record with another payload.
        SettlementFailed: it was refused after it had been queued.
    """
    if goods.failure is not None:
        raise SettlementFailed(goods.failure, "return")
    if goods.fingerprint != meaning:
        raise _mismatch()
    return None if goods.answered is None else recall(return_answer(session, goods), None)


def _answer_now(session: Session, return_id: ReturnId) -> Recorded[ReturnAnswer]:
    """What a live call answers, by what has become of its return.

    Raises:
        SettlementFailed: others ended it in another way while this call was at work.
    """
    goods = find_return(session, return_id)
    if goods is not None and goods.failure is not None:
        raise SettlementFailed(goods.failure, "return")
    if goods is None or goods.answered is None:
        raise ConcurrentUpdate
    return record(return_answer(session, goods))


def _mismatch() -> TransactionMismatch:
    return TransactionMismatch(
        "this returnId is on record with another payload; repeat that payload for its answer, or use a new returnId"
    )
