"""What a session owes the host for goods that were taken back."""

from datetime import datetime

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnedSoFar, ReturnStatus
from loyalty_core.domain.return_request import ReturnedShare, ReturnRequest
from loyalty_core.domain.returns import ReturnFigures, figures_to_return, sale_of, share_to_return
from loyalty_core.domain.session import SETTLED, Cause, Session, SessionStatus, refusal
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
from loyalty_core.ports.loyalty_host import CommitKind, HostSessionReport, HostSilence, LoyaltyHost, ReturnOrder
from loyalty_core.ports.unit_of_work import Call, StoredAnswer
from loyalty_core.use_cases.answers import record
from loyalty_core.use_cases.errand import Errand, FinalAnswer, booked_for, idempotency_key, points_of
from loyalty_core.use_cases.session_answers import return_answer


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
        booked = booked_for(session, self.delivery(session), report)
        if not booked or goods.figures is None:
            return None
        figures = ReturnFigures(
            points_reversed=abs(points_of(booked, CommitKind.REVERSAL)),
            points_restored=abs(points_of(booked, CommitKind.RESTORATION)),
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
