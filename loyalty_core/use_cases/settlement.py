"""One try at something a session owes the loyalty host. The live call and the workers take the same steps.

Intent, commit, call, outcome: whatever is sent is on record before it leaves, and whatever comes back is written over
the session as it is by then. The order of the steps is what makes a point impossible to lose or to double.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import (
    HostRefusedUs,
    LoyaltyError,
    OutcomeUnknown,
    RedemptionNeedsHost,
    RejectedByHost,
)
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.answer_cache import AnswerCache, CachedAnswer
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.identifier_source import IdentifierSource
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
    HostUndelivered,
    LoyaltyHost,
)
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.session_store import SessionStore, StaleSession
from loyalty_core.ports.unit_of_work import CustomerSnapshot, Lane, SessionChange
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.errands import SALE, Errand
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.transitions import STORAGE_TROUBLE, Transitions


class SettlementPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How patient settlement is."""

    grace: timedelta = timedelta(seconds=2)
    """How long after its deadline a call still owns the session it was at work on."""
    backoff_base: float = 1.0
    backoff_cap: float = 45.0
    """Seconds; the n-th pause is random between 0 and ``min(cap, base * 2^n)`` (full jitter)."""
    park_after: timedelta = timedelta(hours=24)
    """How long an outcome may stay unknown before an operator is asked."""


ReceiptT = TypeVar("ReceiptT")


class Try(msgspec.Struct, Generic[ReceiptT], frozen=True, kw_only=True):
    """One actor's turn with one errand of one session."""

    errand: Errand[ReceiptT]
    deadline: Deadline
    time: StoreTime
    lease: datetime
    """The `claimed_until` it works under."""
    live: bool
    """Whether a POS is waiting. Only then may a definite no take the intent back."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a try ended: the session as stored (or, for a promise that could not be, as promised)."""

    session: Session
    error: LoyaltyError | None = None
    """Why a live call was taken back; the session is then as it was before the intent."""
    host_failed: bool = False
    """Whether the host gave no judgement, so that others should not be sent to it in a hurry."""


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a try made of a session."""

    after: Session
    cause: Cause
    detail: str | None = None
    error: LoyaltyError | None = None
    host_failed: bool = False


class _Ended(Exception):
    """The try is over before its end: somebody else has the session now, or storage is away and a POS waits."""

    def __init__(self, session: Session) -> None:
        super().__init__("the try is over")
        self.session = session


class _Prepared(msgspec.Struct, Generic[ReceiptT], frozen=True, kw_only=True):
    """A session whose attempt is begun; or which the host turned out to have booked before."""

    session: Session
    booked: ReceiptT | None


class _Unprepared(Exception):
    """The host has ended the try before anything of it was sent; `session` is as the steps until then have left it."""

    def __init__(self, session: Session, error: HostError) -> None:
        super().__init__("nothing was sent")
        self.session = session
        self.error = error


class Settlement:
    """Takes a session from its intent to its outcome, one try at a time."""

    def __init__(
        self,
        *,
        store: SessionStore,
        host: LoyaltyHost,
        cache: AnswerCache,
        clock: Clock,
        identifiers: IdentifierSource,
        observer: Observer,
        pricing: Pricing,
        budgets: Budgets,
        policy: SettlementPolicy,
    ) -> None:
        self._store = store
        self._host = host
        self._cache = cache
        self._identifiers = identifiers
        self._observer = observer
        self._pricing = pricing
        self._budgets = budgets
        self._policy = policy
        self._transitions = Transitions(store, clock, identifiers, observer)

    def lease_for(self, read: datetime, left: float) -> datetime:
        """Until when a call owns a session that it has read at `read`, by the store's clock.

        `left` is what the call had left, in seconds, before it asked: while the answer was under way the store's clock
        went on, and a lease must never end before the call that holds it.
        """
        return read + timedelta(seconds=left) + self._policy.grace

    def retry_at(self, now: datetime, attempts: int, at_least: float = 0.0) -> datetime:
        """When to try again after `attempts` tries: exponential, capped, with full jitter."""
        ceiling = min(self._policy.backoff_cap, self._policy.backoff_base * 2 ** min(attempts, 32))
        return now + timedelta(seconds=max(at_least, ceiling * self._identifiers.jitter()))

    async def advance(self, session: Session, turn: Try[ReceiptT], *, begun: bool) -> Settled:
        """Do what `session` owes, as far as the host allows.

        `begun` says that the caller has committed this attempt with the intent, so that it may be sent at once.
        It never raises for what the host did. A live turn always ends with an answer for the POS: settled, taken back
        (`error`), or promised; once the intent has committed that is so even where storage fails.
        """
        try:
            return await self._advance(session, turn, begun=begun)
        except _Ended as ended:
            return Settled(session=ended.session)

    async def book_if_found(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """Ask the host about earlier sends without an answer; settle the session if it has booked one of them."""
        try:
            receipt = await self._find_commit(session, turn)
            if receipt is None:
                return session
            return (await self._book(session, receipt, turn)).session
        except _Ended as ended:
            return ended.session
        except HostError:
            return session

    # -- the steps

    async def _advance(self, session: Session, turn: Try[ReceiptT], *, begun: bool) -> Settled:
        current = session
        once_more = True
        while True:
            if not begun:
                try:
                    prepared = await self._prepare(current, turn)
                except _Unprepared as stopped:
                    return await self._end_before_send(stopped.session, stopped.error, turn)
                current = prepared.session
                if prepared.booked is not None:
                    return await self._book(current, prepared.booked, turn)
            try:
                receipt = await turn.errand.send(self._host, current, within=turn.deadline.left())
            except HostSessionUnknown as error:
                if not once_more:
                    return await self._end_after_send(current, error, turn)
                current = await self._forget_host_session(current, error, turn)
                begun = once_more = False
            except HostError as error:
                return await self._end_after_send(current, error, turn)
            else:
                return await self._book(current, receipt, turn)

    async def _prepare(self, session: Session, turn: Try[ReceiptT]) -> _Prepared[ReceiptT]:
        """All that comes before a send: what the host has to learn first, what it has booked already, the attempt."""
        try:
            if session.host_session is None:
                session = await self._make_known(session, turn)
            receipt = await self._find_commit(session, turn)
            if receipt is None:
                session = await self._begin(session, turn)
        except HostError as error:
            raise _Unprepared(session, error) from error
        return _Prepared(session=session, booked=receipt)

    async def _make_known(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """The step owed since identify: the host learns of the customer, we learn the tier."""
        found = await self._host.identify(
            session.channel,
            session.transaction,
            session.customer,
            within=min(self._budgets.identify, turn.deadline.left()),
        )

        def known(current: Session) -> _Outcome:
            after = current.host_identified(found.session, found.member)
            owed = SALE.delivery(after)
            if owed is not None and owed.is_unsent and after.intent is not None:
                quote = self._pricing.with_tier(after.intent.quote, after.customer, found.member.tier)
                after = after if quote is after.intent.quote else after.recompute(quote)
            return _Outcome(after=after, cause=Cause.HOST_IDENTIFIED)

        snapshot = CustomerSnapshot(member=found.member, at=turn.time.now())
        return (await self._record(session, known, turn, snapshot=snapshot)).session

    async def _find_commit(self, session: Session, turn: Try[ReceiptT]) -> ReceiptT | None:
        """What the host has booked of earlier sends. Absence proves nothing: the send may still be under way."""
        if not _delivery(session, turn).unanswered or session.host_session is None:
            return None
        try:
            report = await self._host.report(
                session.host_session, within=min(self._budgets.status, turn.deadline.left())
            )
        except HostSessionUnknown:
            return None
        return turn.errand.found(session, report)

    async def _begin(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """Commit the attempt before it is sent. Whoever was overtaken here must not send."""
        if turn.deadline.left() <= 0:
            raise HostNotSent("no_time_left")
        ready = turn.errand.ready(session)
        begun = turn.errand.attempt(ready, _delivery(ready, turn).begin_attempt(turn.time.now(), turn.lease))
        try:
            await self._transitions.commit(
                SessionChange(before=session, after=begun, cause=Cause.ATTEMPT_BEGUN), lane=Lane.OUTCOME
            )
        except StaleSession:
            raise _Ended(await self._left(session, turn)) from None
        except STORAGE_TROUBLE:
            raise await self._unrecorded(session, turn) from None
        return begun

    # -- the outcomes

    async def _book(self, session: Session, receipt: ReceiptT, turn: Try[ReceiptT]) -> Settled:
        errand = turn.errand

        def booked(current: Session) -> _Outcome:
            return _Outcome(after=errand.complete(current, receipt, turn.time.now()), cause=errand.accepted)

        if errand.booked_otherwise(session, receipt):
            self._observer.booked_otherwise(session)
        settled = await self._record(session, booked, turn)
        await self._mirror(settled.session, errand)
        return settled

    async def _mirror(self, session: Session, errand: Errand[ReceiptT]) -> None:
        final = errand.final_answer(session)
        cached = CachedAnswer(
            client=session.client, channel=session.channel, fingerprint=final.fingerprint, body=final.body
        )
        await self._cache.put(final.call, session.id, cached, item=final.item)

    async def _end_before_send(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Settled:
        """Nothing of this try was sent."""

        def ended(current: Session) -> _Outcome:
            delivery = _delivery(current, turn)
            now = turn.time.now()
            if delivery.unanswered == 0:
                final = self._judged(current, delivery, error, turn)
                if final is not None:
                    return final
            deferred = delivery.defer(turn.lease, error.reason, self._pause(delivery, error, now))
            return self._waiting(current, deferred, error, turn)

        return await self._record(session, ended, turn)

    async def _end_after_send(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Settled:
        """This try was sent, and the host did not accept it."""

        def ended(current: Session) -> _Outcome:
            delivery = _delivery(current, turn)
            retry_at = self._pause(delivery, error, turn.time.now())
            if isinstance(error, HostSilence):
                silent = delivery.attempt_unanswered(turn.lease, error.reason, retry_at)
                return self._waiting(current, silent, error, turn)
            if isinstance(error, HostRejection | HostSessionUnknown):
                answered = delivery.attempt_refused(turn.lease, error.reason, retry_at)
            else:
                answered = delivery.attempt_never_left(turn.lease, error.reason, retry_at)
            if answered.unanswered == 0:
                final = self._judged(current, answered, error, turn)
                if final is not None:
                    return final
            return self._waiting(current, answered, error, turn)

        return await self._record(session, ended, turn)

    async def _forget_host_session(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Session:
        """The host no longer knows its session. It said so, so this send is answered; identify again, same key."""

        def lost(current: Session) -> _Outcome:
            # Answered, and sent all the same: what went out under the key is never computed afresh.
            delivery = _delivery(current, turn).attempt_refused(turn.lease, error.reason, turn.time.now())
            kept = delivery if delivery.claimed_until is not None else delivery.claim(turn.lease)
            return _Outcome(
                after=turn.errand.attempt(current, kept).host_session_lost(),
                cause=Cause.HOST_SESSION_LOST,
                detail=error.reason,
            )

        return (await self._record(session, lost, turn)).session

    def _judged(self, session: Session, delivery: Delivery, error: HostError, turn: Try[ReceiptT]) -> _Outcome | None:
        """The end of an intent none of whose sends is unanswered, where the host's word allows one."""
        revertible = turn.live and delivery.accepted_at is None
        errand, now = turn.errand, turn.time.now()
        current = errand.attempt(session, delivery)
        if isinstance(error, HostRejection):
            if revertible:
                no = RejectedByHost(error.reason, error.message, error.details)
                after = errand.take_back(current, now)
                return _Outcome(after=after, cause=errand.rejected, detail=error.reason, error=no)
            after = errand.fail(current, error.reason, now)
            return _Outcome(after=after, cause=errand.rejected, detail=error.reason)
        if not revertible:
            return None
        retry_after = error.retry_after if isinstance(error, HostUndelivered) else 1.0
        if isinstance(error, HostRefusesUs):
            refused = HostRefusedUs(retry_after=retry_after)
            after = errand.take_back(current, now)
            return _Outcome(after=after, cause=Cause.HOST_REFUSED_US, detail=error.reason, error=refused)
        if errand.spends_points(current):
            # Points are spent with the host's consent or not at all: a redemption is never queued unsent.
            needed = RedemptionNeedsHost(retry_after=retry_after)
            after = errand.take_back(current, now)
            return _Outcome(after=after, cause=Cause.REDEMPTION_UNSENT, detail=error.reason, error=needed)
        return None

    def _waiting(self, session: Session, delivery: Delivery, error: HostError, turn: Try[ReceiptT]) -> _Outcome:
        """It settles later. A POS that waits is promised so; a worker parks what has been unknown for too long."""
        now = turn.time.now()
        cause = Cause.DELIVERY_AWAITED
        undecidable = delivery.unanswered or isinstance(error, HostSessionUnknown)
        if turn.live:
            after = turn.errand.promise(session, delivery, now)
        elif undecidable and now - delivery.begun_at >= self._policy.park_after:
            after, cause = turn.errand.attempt(session, delivery.park(now)), Cause.PARKED
        else:
            after = turn.errand.attempt(session, delivery)
        failed = isinstance(error, HostSilence | HostUndelivered)
        return _Outcome(after=after, cause=cause, detail=error.reason, host_failed=failed)

    def _pause(self, delivery: Delivery, error: HostError, now: datetime) -> datetime:
        at_least = error.retry_after if isinstance(error, HostUndelivered) else 0.0
        return self.retry_at(now, delivery.attempts, at_least)

    # -- writing it down

    async def _record(
        self,
        session: Session,
        outcome_of: Callable[[Session], _Outcome],
        turn: Try[ReceiptT],
        *,
        snapshot: CustomerSnapshot | None = None,
    ) -> Settled:
        """Write what came of the host's word over the session as it is by now; the host is never asked twice for it.

        Raises:
            _Ended: the intent is no longer open and what is stored counts; or a POS waits and storage is away.
            OutcomeUnknown: it is not known whether the intent was taken back.
        """
        number = _delivery(session, turn).number
        current = session
        races = 0
        while True:
            outcome = outcome_of(current)
            try:
                await self._transitions.commit(
                    SessionChange(before=current, after=outcome.after, cause=outcome.cause, detail=outcome.detail),
                    lane=Lane.OUTCOME,
                    answer=turn.errand.answer(current, outcome.after),
                    snapshot=snapshot,
                )
            except StaleSession:
                races += 1
            except STORAGE_TROUBLE as trouble:
                if isinstance(trouble, OutcomeUnknown) and outcome.error is not None:
                    raise
                raise await self._unrecorded(current, turn) from trouble
            else:
                return Settled(session=outcome.after, error=outcome.error, host_failed=outcome.host_failed)
            try:
                await self._transitions.give_way(races)
                current = await self._reread(session)
            except STORAGE_TROUBLE as trouble:
                raise await self._unrecorded(current, turn) from trouble
            still_owed = turn.errand.delivery(current)
            if still_owed is None or still_owed.number != number:
                raise _Ended(current)

    async def _unrecorded(self, session: Session, turn: Try[ReceiptT]) -> _Ended:
        """Storage is away and the intent stands: a worker will find out what came of it."""
        self._observer.outcome_not_recorded(session)
        return _Ended(await self._left(session, turn))

    async def _left(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """What a try that goes no further leaves behind: to a POS that waits, the promise that it settles later.

        The promise goes on record first, and is given all the same where it cannot: only the live call itself could
        take the intent back, and it ends here.
        """
        number = _delivery(session, turn).number
        current = session
        try:
            current = await self._reread(session)
            delivery = turn.errand.delivery(current)
            if not turn.live or delivery is None or delivery.number != number or delivery.accepted_at is not None:
                return current
            promised = turn.errand.promise(current, delivery, turn.time.now())
            await self._transitions.commit(
                SessionChange(before=current, after=promised, cause=Cause.DELIVERY_AWAITED),
                lane=Lane.OUTCOME,
                answer=turn.errand.answer(current, promised),
            )
        except (StaleSession, *STORAGE_TROUBLE):
            return turn.errand.promise(current, _delivery(current, turn), turn.time.now()) if turn.live else current
        return promised

    async def _reread(self, session: Session) -> Session:
        loaded = await self._store.find(session.id, lane=Lane.OUTCOME)
        return session if loaded is None else loaded.session


def _delivery(session: Session, turn: Try[ReceiptT]) -> Delivery:
    delivery = turn.errand.delivery(session)
    if delivery is None:
        raise ValueError("the session does not owe this errand")
    return delivery
