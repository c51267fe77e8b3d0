from datetime import datetime
from decimal import Decimal

import msgspec

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    InFlight,
    QuoteChanged,
    RedemptionNeedsHost,
    TransactionMismatch,
    ValidationFailed,
)
from loyalty_core.domain.fingerprint import fingerprint
from loyalty_core.domain.identifiers import QuoteId, SessionId, TransactionId, receipt_id
from loyalty_core.domain.session import SETTLED, Cause, FinalizeIntent, HostReceipt, Session, SessionStatus
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.answer_cache import AnswerCache, CachedAnswer
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.identifier_source import IdentifierSource
from loyalty_core.ports.loyalty_host import LoyaltyHost
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.session_store import Loaded, SessionStore, StaleSession
from loyalty_core.ports.unit_of_work import Call, Lane, SessionChange, StoredAnswer
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import (
    FinalizeAnswer,
    Recorded,
    promised_answer,
    recall,
    record,
    settled_answer,
)
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.errands import SALE
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.settlement import Settlement, Try
from loyalty_core.use_cases.transitions import Transitions

_FIRST_LOOK = 0.05
_SLOWEST_LOOK = 0.5
"""Seconds between two looks at a twin's progress in another process; they grow from the first to the second."""


class Finalize(msgspec.Struct, frozen=True, kw_only=True):
    """Commit the rewards of a sale, once.

    Raises:
        ValidationFailed: points are to be spent on a sale without rewards.
    """

    caller: Caller
    session_id: SessionId
    transaction: TransactionId
    """The session's own, repeated."""
    final_amount: Decimal
    apply_rewards: bool
    quote_id: QuoteId | None = None
    lines: tuple[BasketLine, ...] | None = None
    """The basket where it has changed since it was quoted; None: as quoted."""
    redeem_points: int = 0
    if_match: int | None = None

    def __post_init__(self) -> None:
        if self.redeem_points and not self.apply_rewards:
            raise ValidationFailed.of("redeemPoints", "must be left out where applyRewards is false")

    def fingerprint(self) -> str:
        """What the call means within its session."""
        return fingerprint(
            transaction=self.transaction,
            final_amount=self.final_amount,
            apply_rewards=self.apply_rewards,
            quote_id=self.quote_id,
            lines=self.lines,
            redeem_points=self.redeem_points,
        )


class FinalizeSession:
    """Records the intent, asks the host, records the outcome; or gives the answer of record."""

    def __init__(
        self,
        *,
        store: SessionStore,
        host: LoyaltyHost,
        cache: AnswerCache,
        clock: Clock,
        identifiers: IdentifierSource,
        observer: Observer,
        flights: Flights,
        pricing: Pricing,
        settlement: Settlement,
        budgets: Budgets,
    ) -> None:
        self._store = store
        self._host = host
        self._cache = cache
        self._clock = clock
        self._identifiers = identifiers
        self._observer = observer
        self._flights = flights
        self._pricing = pricing
        self._settlement = settlement
        self._budgets = budgets
        self._transitions = Transitions(store, clock, identifiers, observer)

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
            return _from_cache(cached, meaning)
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
            known = _answer_of_record(loaded, meaning)
            if known is not None:
                self._observer.replayed(Call.FINALIZE, session)
                return known
            turn = Try(
                errand=SALE,
                deadline=deadline,
                time=StoreTime(self._clock, loaded.now),
                lease=self._settlement.lease_for(loaded.now, left),
                live=True,
            )
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
        quote = self._quote_for(command, session, now)
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
        return _answer_now(settled.session, turn.time.now())

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

    def _quote_for(self, command: Finalize, session: Session, now: datetime) -> SessionQuote:
        """The figures to commit: the quote the POS showed where it still fits, else the basket computed afresh."""
        quoted = session.quote
        lines = command.lines
        if lines is None:
            lines = quoted.basket.lines if quoted is not None else ()
        basket = Basket(
            amount=command.final_amount,
            lines=lines,
            channel=session.channel,
            redeem_points=command.redeem_points,
        )
        if quoted is not None and quoted.basket == basket:
            if command.quote_id == quoted.id or command.redeem_points:
                return _confirmed(quoted)
            if command.quote_id is None and self._pricing.is_current(quoted, session.tier):
                return quoted
        fresh = self._pricing.quote(basket, session.customer, session.tier, session.occurred_at or now)
        quoted_redemption = 0 if quoted is None else quoted.basket.redeem_points
        if command.quote_id is not None or command.redeem_points or quoted_redemption:
            raise QuoteChanged(
                "what is to be finalized is not what was quoted; call calculateRewards with this basket, show the "
                "customer its figures, and finalize with its quoteId and redeemPoints",
                quoted_points=None if quoted is None else quoted.earned_points,
                current_points=fresh.earned_points,
            )
        return fresh


def _confirmed(quote: SessionQuote) -> SessionQuote:
    """`quote`, if the host has agreed to what it spends."""
    if quote.basket.redeem_points and not (quote.host is not None and quote.host.redemption_confirmed):
        raise QuoteChanged(
            "the redemption was not confirmed by the loyalty host; call calculateRewards again",
            quoted_points=quote.earned_points,
            current_points=quote.earned_points,
        )
    return quote


def _from_cache(cached: CachedAnswer, meaning: str) -> Recorded[FinalizeAnswer]:
    if cached.fingerprint != meaning:
        raise _mismatch()
    return Recorded(answer=msgspec.json.decode(cached.body, type=FinalizeAnswer), body=cached.body, replayed=True)


def _answer_of_record(loaded: Loaded, meaning: str) -> Recorded[FinalizeAnswer] | None:
    """The answer that an equal call was given before; None where this call is to be judged afresh.

    Raises:
        TransactionMismatch: the session's finalize is on record with another payload.
    """
    session = loaded.session
    if session.intent is None or not (session.status in SETTLED or session.status is SessionStatus.FINALIZING):
        return None
    if session.intent.fingerprint != meaning:
        raise _mismatch()
    stored = loaded.answers.get(Call.FINALIZE)
    if session.status in SETTLED:
        return recall(settled_answer(session), stored)
    return recall(promised_answer(session), stored) if session.is_promised else None


def _answer_now(session: Session, now: datetime) -> Recorded[FinalizeAnswer]:
    """What a live call answers, by the state its session has ended in.

    Raises:
        SettlementFailed, IllegalTransition: others ended the session in another way while this call was at work.
    """
    if session.status in SETTLED:
        return record(settled_answer(session))
    if session.status is not SessionStatus.FINALIZING:
        session.check_open("finalize", now)
        raise ConcurrentUpdate
    return record(promised_answer(session))


def _mismatch() -> TransactionMismatch:
    return TransactionMismatch(
        "this session's finalize is on record with another payload; repeat that payload for its answer, "
        "or use /return to take points back"
    )
