"""What a session can owe the host: its sale, or one of its returns.

An errand says what is sent, how the host's word changes the session, and which answer goes on record. It does not say
when: the order of intent, commit, call and outcome is `Settlement`'s, and the same for all of them.
"""

from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId, format_session_id
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnedSoFar, ReturnStatus
from loyalty_core.domain.return_request import ReturnedShare, ReturnRequest
from loyalty_core.domain.returns import ReturnFigures, figures_to_return, sale_of, share_to_return
from loyalty_core.domain.session import SETTLED, Cause, HostReceipt, Session, SessionStatus, refusal
from loyalty_core.domain.session_returns import (
    attempt_return,
    booked_totals,
    complete_return,
    find_return,
    freeze_return,
    promise_return,
    reject_return,
    settled_returns,
    take_back_return,
)
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    FinalizeOrder,
    HostCommit,
    HostSessionReport,
    HostSilence,
    LoyaltyHost,
    ReturnOrder,
)
from loyalty_core.ports.unit_of_work import Call, StoredAnswer
from loyalty_core.use_cases.answers import promised_answer, record, return_answer, settled_answer

ReceiptT = TypeVar("ReceiptT")


class FinalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of record that can never change any more, and the payload it answers."""

    call: Call
    item: str = ""
    fingerprint: str
    body: bytes


class Errand(Protocol, Generic[ReceiptT]):
    """One thing a session owes the host. Methods that change it return the new session, as its transitions do."""

    accepted: Cause
    rejected: Cause

    def delivery(self, session: Session) -> Delivery | None:
        """Its delivery, or None where it is no longer owed."""
        ...

    def attempt(self, session: Session, delivery: Delivery) -> Session:
        """Its delivery has changed."""
        ...

    def ready(self, session: Session) -> Session:
        """Freeze what is sent. Called before each send; only the first can change anything."""
        ...

    async def send(self, host: LoyaltyHost, session: Session, *, within: float) -> ReceiptT:
        """Send it, under its key; raises as the host's calls do."""
        ...

    def found(self, session: Session, report: HostSessionReport) -> ReceiptT | None:
        """What the host has booked of earlier sends, by its own report.

        Raises:
            HostSilence: it reports figures that cannot be; they prove nothing.
        """
        ...

    def complete(self, session: Session, receipt: ReceiptT, now: datetime) -> Session:
        """The host has booked it."""
        ...

    def promise(self, session: Session, delivery: Delivery, now: datetime) -> Session:
        """A POS is answered that it settles later."""
        ...

    def take_back(self, session: Session, now: datetime) -> Session:
        """As if it had never been."""
        ...

    def fail(self, session: Session, reason: str, now: datetime) -> Session:
        """It ends with a definite no."""
        ...

    def spends_points(self, session: Session) -> bool:
        """Whether it must not be queued unsent, because only the host can say that the points are there."""
        ...

    def answer(self, before: Session, after: Session) -> StoredAnswer | None:
        """The answer of record that a change gives to its call, or None where it gives none."""
        ...

    def final_answer(self, session: Session) -> FinalAnswer:
        """The answer of what the host has booked, which can never change any more.

        It has been booked; `ValueError` otherwise, which is a bug of the caller.
        """
        ...

    def booked_otherwise(self, session: Session, receipt: ReceiptT) -> bool:
        """Whether the host booked other points than were intended."""
        ...


def idempotency_key(session: Session, delivery: Delivery) -> str:
    """The key of an intent: the session and the intent's number, the same for each of its sends."""
    return f"{format_session_id(session.id)}:{delivery.number}"


class SaleErrand(Errand[HostReceipt]):
    """Booking the sale itself."""

    accepted = Cause.HOST_ACCEPTED
    rejected = Cause.HOST_REJECTED

    def delivery(self, session: Session) -> Delivery | None:
        """See `Errand`."""
        return session.delivery if session.status is SessionStatus.FINALIZING else None

    def attempt(self, session: Session, delivery: Delivery) -> Session:
        """See `Errand`."""
        return session.attempt(delivery)

    def ready(self, session: Session) -> Session:
        """Its figures were decided with the intent."""
        return session

    async def send(self, host: LoyaltyHost, session: Session, *, within: float) -> HostReceipt:
        """See `Errand`."""
        intent, delivery = session.intent, session.delivery
        if intent is None or delivery is None or session.host_session is None:
            raise ValueError("only an intent known to the host can be sent")
        order = FinalizeOrder(
            key=idempotency_key(session, delivery),
            host_session=session.host_session,
            transaction=session.transaction,
            basket=intent.basket,
            earned_points=intent.quote.earned_points,
            program_version=intent.quote.ours.program_version,
            receipt=intent.receipt,
        )
        return await host.finalize(order, within=within)

    def found(self, session: Session, report: HostSessionReport) -> HostReceipt | None:
        """See `Errand`."""
        booked = _booked(session, session.delivery, report)
        if not booked:
            return None
        earned = _points(booked, CommitKind.ACCRUAL)
        if not 0 <= earned <= MAX_POINTS:
            raise HostSilence("impossible_points")
        return HostReceipt(earned_points=earned)

    def complete(self, session: Session, receipt: HostReceipt, now: datetime) -> Session:
        """See `Errand`."""
        return session.complete(receipt, now)

    def promise(self, session: Session, delivery: Delivery, now: datetime) -> Session:
        """See `Errand`."""
        return session.promise(delivery, now)

    def take_back(self, session: Session, now: datetime) -> Session:
        """See `Errand`."""
        return session.revert(now)

    def fail(self, session: Session, reason: str, now: datetime) -> Session:
        """See `Errand`."""
        return session.fail(reason, now)

    def spends_points(self, session: Session) -> bool:
        """See `Errand`."""
        return session.intent is not None and session.intent.basket.redeem_points > 0

    def answer(self, before: Session, after: Session) -> StoredAnswer | None:
        """See `Errand`."""
        if after.status is SessionStatus.FINALIZED:
            return StoredAnswer(call=Call.FINALIZE, body=record(settled_answer(after)).body)
        if after.is_promised and not before.is_promised:
            return StoredAnswer(call=Call.FINALIZE, body=record(promised_answer(after)).body)
        return None

    def final_answer(self, session: Session) -> FinalAnswer:
        """See `Errand`."""
        if session.receipt is None or session.intent is None:
            raise ValueError("only a settled session has a final answer")
        body = record(settled_answer(session)).body
        return FinalAnswer(call=Call.FINALIZE, fingerprint=session.intent.fingerprint, body=body)

    def booked_otherwise(self, session: Session, receipt: HostReceipt) -> bool:
        """See `Errand`."""
        return session.intent is not None and session.intent.quote.earned_points != receipt.earned_points


SALE: Final = SaleErrand()
"""The sale's errand; every session has the same one."""


class ReturnErrand(Errand[ReturnFigures]):
    """Booking one return of a sale that the host has booked."""

    accepted = Cause.RETURN_SETTLED
    rejected = Cause.RETURN_REJECTED

    def __init__(self, return_id: ReturnId, program: RewardProgram) -> None:
        """`program` is the one that the sale was quoted under."""
        self._id = return_id
        self._program = program

    def delivery(self, session: Session) -> Delivery | None:
        """See `Errand`."""
        goods = find_return(session, self._id)
        return goods.delivery if goods is not None and goods.is_owed else None

    def attempt(self, session: Session, delivery: Delivery) -> Session:
        """See `Errand`."""
        return attempt_return(session, self._id, delivery)

    @staticmethod
    def is_free(session: Session) -> bool:
        """Whether the sale was never the host's, because it was made without rewards; then neither is its return."""
        return session.intent is not None and not session.intent.apply_rewards

    def share(self, session: Session, request: ReturnRequest) -> ReturnedShare:
        """What `request` takes of the sale, judged against every return that stands, settled or pending.

        Raises:
            IllegalTransition: the sale has not been finalized, or has failed.
            OverReturn, InvalidReturn: see there.
        """
        if session.intent is None or (session.status not in SETTLED and session.status is not SessionStatus.FINALIZING):
            raise refusal(session, "return")
        sale = sale_of(self._program, session.intent.basket)
        return share_to_return(sale, request, [goods.share for goods in session.returns if goods.stands])

    def figures(self, session: Session, goods: PurchaseReturn) -> ReturnFigures:
        """The points it moves: frozen, or as they would be if it were sent now."""
        if goods.figures is not None:
            return goods.figures
        if session.intent is None:
            raise ValueError("only a sale can be returned")
        sale = sale_of(self._program, session.intent.basket)
        return figures_to_return(sale, booked_totals(session), goods.share, settled_returns(session))

    def ready(self, session: Session) -> Session:
        """See `Errand`."""
        goods = self._goods(session)
        if goods.figures is not None:
            return session
        return freeze_return(session, self._id, self.figures(session, goods))

    async def send(self, host: LoyaltyHost, session: Session, *, within: float) -> ReturnFigures:
        """See `Errand`."""
        goods = self._goods(session)
        if goods.figures is None or session.host_session is None:
            raise ValueError("only a frozen return known to the host can be sent")
        order = ReturnOrder(
            key=idempotency_key(session, goods.delivery),
            host_session=session.host_session,
            return_id=goods.id,
            points_reversed=goods.figures.points_reversed,
            points_restored=goods.figures.points_restored,
        )
        return _believed(await host.send_return(order, within=within), goods.figures)

    def found(self, session: Session, report: HostSessionReport) -> ReturnFigures | None:
        """See `Errand`."""
        goods = self._goods(session)
        booked = _booked(session, self.delivery(session), report)
        if not booked or goods.figures is None:
            return None
        figures = ReturnFigures(
            points_reversed=abs(_points(booked, CommitKind.REVERSAL)),
            points_restored=abs(_points(booked, CommitKind.RESTORATION)),
        )
        return _believed(figures, goods.figures)

    def complete(self, session: Session, receipt: ReturnFigures, now: datetime) -> Session:
        """See `Errand`."""
        return complete_return(session, self._id, receipt, now)

    def promise(self, session: Session, delivery: Delivery, now: datetime) -> Session:
        """See `Errand`."""
        figures = self.figures(session, self._goods(session))
        left = booked_totals(session).earned - session.points_reversed - figures.points_reversed
        answered = ReturnedSoFar(figures=figures, remaining_points=max(0, left), session_status=session.status.value)
        return promise_return(session, self._id, delivery, answered, now)

    def take_back(self, session: Session, now: datetime) -> Session:  # noqa: ARG002 - the protocol's shape
        """See `Errand`."""
        return take_back_return(session, self._id)

    def fail(self, session: Session, reason: str, now: datetime) -> Session:
        """See `Errand`."""
        return reject_return(session, self._id, reason, now)

    def spends_points(self, session: Session) -> bool:  # noqa: ARG002 - the protocol's shape
        """A return never does."""
        return False

    def answer(self, before: Session, after: Session) -> StoredAnswer | None:
        """See `Errand`."""
        was, goods = find_return(before, self._id), find_return(after, self._id)
        if goods is None or goods.answered is None or (was is not None and was.answered == goods.answered):
            return None
        return StoredAnswer(call=Call.RETURN, item=self._id, body=record(return_answer(after, goods)).body)

    def final_answer(self, session: Session) -> FinalAnswer:
        """See `Errand`."""
        goods = self._goods(session)
        if goods.status is not ReturnStatus.RETURNED:
            raise ValueError("only a settled return has a final answer")
        body = record(return_answer(session, goods)).body
        return FinalAnswer(call=Call.RETURN, item=self._id, fingerprint=goods.fingerprint, body=body)

    def booked_otherwise(self, session: Session, receipt: ReturnFigures) -> bool:
        """See `Errand`."""
        return self._goods(session).figures != receipt

    def _goods(self, session: Session) -> PurchaseReturn:
        goods = find_return(session, self._id)
        if goods is None:
            raise ValueError("the session has no such return")
        return goods


def _believed(told: ReturnFigures, asked: ReturnFigures) -> ReturnFigures:
    """`told`, unless the host says that it moved more points than it was asked to."""
    if told.points_reversed > asked.points_reversed or told.points_restored > asked.points_restored:
        raise HostSilence("more_than_asked")
    return told


def _booked(session: Session, delivery: Delivery | None, report: HostSessionReport) -> list[HostCommit]:
    if delivery is None:
        return []
    key = idempotency_key(session, delivery)
    return [commit for commit in report.commits if commit.key == key]


def _points(commits: list[HostCommit], kind: CommitKind) -> int:
    return sum(commit.points for commit in commits if commit.kind is kind)
