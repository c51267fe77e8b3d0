from datetime import datetime

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import InFlight, RedemptionNeedsHost, TransactionMismatch
from loyalty_core.domain.identifiers import receipt_id
from loyalty_core.domain.session import Cause, FinalizeIntent, HostReceipt, Session
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import Call, Lane, SessionChange, StoredAnswer
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import FinalizeAnswer, Recorded, record
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.finalize_answers import answer_now, answer_of_record, from_cache
from loyalty_core.use_cases.finalize_figures import Finalize, figures_for
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.session_answers import promised_answer, settled_answer
from loyalty_core.use_cases.settlement import Settlement
from loyalty_core.use_cases.transitions import Transitions
from loyalty_core.use_cases.turns import Try

_FIRST_LOOK = 0.05
_SLOWEST_LOOK = 0.5
"""Seconds between two looks at a twin's progress in another process; they grow from the first to the second."""


class FinalizeSession:
    """Records the intent, asks the host, records the outcome; or gives the answer of record."""

    def __init__(
        self, ports: Ports, *, flights: Flights, pricing: Pricing, settlement: Settlement, budgets: Budgets
    ) -> None:
        self._store = ports.store
        self._host = ports.host
        self._cache = ports.cache
        self._clock = ports.clock
        self._identifiers = ports.identifiers
        self._observer = ports.observer
        self._flights = flights
        self._pricing = pricing
        self._settlement = settlement
        self._budgets = budgets
        self._transitions = Transitions(ports)

    async def __call__(self, command: Finalize) -> Recorded[FinalizeAnswer]:
        """What was booked (status `finalized`), or the promise that it will be (`finalizing`).

        Raises:
            SessionNotFound, TransactionMismatch, VersionMismatch, SessionExpired, IllegalTransition: see there.
            QuoteChanged: the quote named, or the redemption quoted, no longer fits.
            RejectedByHost, HostRefusedUs, RedemptionNeedsHost: the intent was taken back; nothing will happen.
            SettlementFailed: the host refused it after it had been queued.
            InFlight: a twin is still at work.
            ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        meaning = command.fingerprint()
        cached = await self._cache.get(Call.FINALIZE, command.session_id)
        if cached is not None and command.caller.may_see(cached.client, cached.channel):
            return from_cache(cached, meaning)
        answer, joined = await self._flights.board(
            (Call.FINALIZE, command.caller, command.session_id, meaning, command.if_match),
            lambda: self._finalize(command, meaning),
            within=self._budgets.finalize + self._budgets.slack,
        )
        return answer.again() if joined else answer

    async def _finalize(self, command: Finalize, meaning: str) -> Recorded[FinalizeAnswer]:
        deadline = Deadline(self._clock, self._budgets.finalize)
        races = 0
        look = _FIRST_LOOK
        while True:
            left = deadline.left()
            loaded = await load_for(self._store, command.caller, command.session_id)
            session = loaded.session
            if command.transaction != session.transaction:
                raise TransactionMismatch("transactionId is not the one this session was opened for")
            known = answer_of_record(loaded, meaning)
            if known is not None:
                self._observer.replayed(Call.FINALIZE, session)
                return known
            turn = self._settlement.live_turn(SALE, StoreTime(self._clock, loaded.now), deadline, left)
            owed = SALE.delivery(session)
            try:
                if owed is None:
                    return await self._commit(command, meaning, session, turn)
                if not session.is_in_flight(loaded.now):
                    return await self._promise(session, owed, loaded.now)
            except StaleSession:
                races += 1
                await self._transitions.give_way(races)
                continue
            if deadline.left() < look:
                raise InFlight
            await self._clock.sleep(look)
            look = min(_SLOWEST_LOOK, look * 2)

    async def _promise(self, session: Session, owed: Delivery, now: datetime) -> Recorded[FinalizeAnswer]:
        """Whoever was at work on it is gone: it is the workers' now, and this POS is told so."""
        promised = session.promise(owed, now)
        answer = record(promised_answer(promised))
        await self._transitions.commit(
            SessionChange(before=session, after=promised, cause=Cause.DELIVERY_AWAITED),
            lane=Lane.OUTCOME,
            answer=StoredAnswer(call=Call.FINALIZE, body=answer.body),
        )
        return answer.again()

    async def _commit(
        self, command: Finalize, meaning: str, session: Session, turn: Try[HostReceipt]
    ) -> Recorded[FinalizeAnswer]:
        now = turn.time.now()
        session.check_version(command.if_match)
        session.check_open("finalize", now)
        quote = figures_for(command, session, self._pricing, now)
        intent = FinalizeIntent(
            fingerprint=meaning,
            basket=quote.basket,
            apply_rewards=command.apply_rewards,
            receipt=receipt_id(now.year, await self._identifiers.receipt_number()),
            quote=quote,
            resumes=session.status,
            origin=self._observer.origin(),
        )
        if not command.apply_rewards:
            return await self._finish_without_rewards(session, intent, now)
        wait = self._host.unavailable_for()
        if wait > 0:
            if command.redeem_points:
                raise RedemptionNeedsHost(retry_after=wait)
            return await self._queue(session, intent, now, wait)
        begun = session.host_session is not None
        delivery = Delivery(
            number=session.intents + 1, begun_at=now, next_attempt_at=turn.lease, claimed_until=turn.lease
        )
        intended = session.begin_finalize(intent, delivery.begin_attempt(now, turn.lease) if begun else delivery, now)
        await self._transitions.commit(SessionChange(before=session, after=intended, cause=Cause.FINALIZE_INTENDED))
        settled = await self._settlement.advance(intended, turn, begun=begun)
        if settled.error is not None:
            raise settled.error
        return answer_now(settled.session, turn.time.now())

    async def _queue(
        self, session: Session, intent: FinalizeIntent, now: datetime, wait: float
    ) -> Recorded[FinalizeAnswer]:
        """The host is known to be away: intent and promise in one, nothing is sent."""
        delivery = Delivery(
            number=session.intents + 1,
            begun_at=now,
            next_attempt_at=self._settlement.retry_at(now, 0, wait),
            last_error="circuit_open",
        )
        queued = session.begin_finalize(intent, delivery, now).promise(delivery, now)
        answer = record(promised_answer(queued))
        await self._transitions.commit(
            SessionChange(before=session, after=queued, cause=Cause.FINALIZE_INTENDED, detail="circuit_open"),
            answer=StoredAnswer(call=Call.FINALIZE, body=answer.body),
        )
        return answer

    async def _finish_without_rewards(
        self, session: Session, intent: FinalizeIntent, now: datetime
    ) -> Recorded[FinalizeAnswer]:
        finished = session.finalize_without_rewards(intent, now)
        answer = record(settled_answer(finished))
        await self._transitions.commit(
            SessionChange(before=session, after=finished, cause=Cause.FINALIZED_WITHOUT_REWARDS),
            answer=StoredAnswer(call=Call.FINALIZE, body=answer.body),
        )
        return answer
