"""The transitions that returns make: of the return itself, and of the session it belongs to.

Each takes a session and returns a new one, or raises a named error; like the transitions of `Session`.
"""

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnedSoFar, ReturnStatus
from loyalty_core.domain.returns import BookedTotals, ReturnFigures, SettledReturn
from loyalty_core.domain.session import SETTLED, Session, SessionStatus, evolve, refusal


def find_return(session: Session, return_id: ReturnId) -> PurchaseReturn | None:
    """The session's return of that id, whatever has become of it."""
    return next((goods for goods in session.returns if goods.id == return_id), None)


def booked_totals(session: Session) -> BookedTotals:
    """The points that returns divide: as the host booked them, or while it has not, as intended."""
    redeemed = session.redeemed_points
    if session.status is SessionStatus.FINALIZING and session.intent is not None:
        redeemed = session.intent.basket.redeem_points
    return BookedTotals(earned=session.earned_points, redeemed=redeemed)


def settled_returns(session: Session) -> tuple[SettledReturn, ...]:
    """The returns that the host has booked, in order."""
    return tuple(
        SettledReturn(goods.share, goods.figures)
        for goods in session.returns
        if goods.status is ReturnStatus.RETURNED and goods.figures is not None
    )


def first_owed(session: Session) -> tuple[ReturnId | None, Delivery] | None:
    """What the session owes the host first: its sale (no id), or the first return of its booked sale not booked yet.

    None where it owes nothing.
    """
    if session.status is SessionStatus.FINALIZING:
        return None if session.delivery is None else (None, session.delivery)
    if session.status not in SETTLED:
        return None
    return next(((goods.id, goods.delivery) for goods in session.returns if goods.is_owed), None)


def is_next(session: Session, return_id: ReturnId) -> bool:
    """Whether the return may be sent: the sale is booked, and so is every return before it."""
    first = next((goods for goods in session.returns if goods.is_owed), None)
    return session.status in SETTLED and first is not None and first.id == return_id


def begin_return(session: Session, goods: PurchaseReturn) -> Session:
    """The return is on record, behind a sale that is booked or about to be.

    Raises:
        IllegalTransition: the sale has not been finalized, or has failed.
    """
    if session.status not in SETTLED and session.status is not SessionStatus.FINALIZING:
        raise refusal(session, "return")
    return evolve(session, intents=goods.delivery.number, returns=(*session.returns, goods))


def attempt_return(session: Session, return_id: ReturnId, delivery: Delivery) -> Session:
    """The state of the return's delivery changed: a send begun or ended, a lease, parking."""
    return _with(session, return_id, lambda goods: msgspec.structs.replace(goods, delivery=delivery))


def freeze_return(session: Session, return_id: ReturnId, figures: ReturnFigures) -> Session:
    """The points it moves are decided, before the first send; earlier returns have settled."""
    return _with(session, return_id, lambda goods: msgspec.structs.replace(goods, figures=figures))


def promise_return(
    session: Session, return_id: ReturnId, delivery: Delivery, answered: ReturnedSoFar, now: datetime
) -> Session:
    """A POS is answered that this settles later. The first promise stands; after it nothing is taken back."""
    return _with(
        session,
        return_id,
        lambda goods: msgspec.structs.replace(
            goods, delivery=delivery.accept(now), answered=goods.answered if goods.is_promised else answered
        ),
    )


def take_back_return(session: Session, return_id: ReturnId) -> Session:
    """A definite no to the live call before its answer: as if the return had never been, but for its number.

    Raises:
        IllegalTransition: a POS was promised a settlement, or an attempt is unanswered.
    """
    goods = _owed(session, return_id)
    if goods.is_promised or goods.delivery.unanswered:
        raise refusal(session, "take back a return")
    return evolve(session, returns=tuple(other for other in session.returns if other.id != return_id))


def reject_return(session: Session, return_id: ReturnId, reason: str, now: datetime) -> Session:
    """The host refused it after it had been queued, or an operator gave it up; what it took is free again."""
    return _with(
        session,
        return_id,
        lambda goods: msgspec.structs.replace(
            goods, status=ReturnStatus.REJECTED, failure=reason, delivery=goods.delivery.settle(), settled_at=now
        ),
    )


def complete_return(session: Session, return_id: ReturnId, figures: ReturnFigures, now: datetime) -> Session:
    """The host has booked it; once every line is back the whole session is `returned`."""
    goods = _owed(session, return_id)
    taken = [other.share for other in session.returns if other.status is ReturnStatus.RETURNED]
    lines = zip(*(share.exact() for share in (*taken, goods.share)), strict=True)
    whole = all(sum(line, Fraction(0)) == 1 for line in lines)
    status = SessionStatus.RETURNED if whole else SessionStatus.PARTIALLY_RETURNED
    points_reversed = session.points_reversed + figures.points_reversed
    settled = msgspec.structs.replace(
        goods,
        status=ReturnStatus.RETURNED,
        figures=figures,
        delivery=goods.delivery.settle(),
        settled_at=now,
        answered=ReturnedSoFar(
            figures=figures,
            remaining_points=session.earned_points - points_reversed,
            session_status=status.value,
        ),
    )
    return evolve(
        session,
        status=status,
        points_reversed=points_reversed,
        points_restored=session.points_restored + figures.points_restored,
        returns=_replaced(session, settled),
        closed_at=now,
    )


def _with(session: Session, return_id: ReturnId, change: Callable[[PurchaseReturn], PurchaseReturn]) -> Session:
    return evolve(session, returns=_replaced(session, change(_owed(session, return_id))))


def _owed(session: Session, return_id: ReturnId) -> PurchaseReturn:
    goods = find_return(session, return_id)
    if goods is None or not goods.is_owed:
        raise refusal(session, "settle a return")
    return goods


def _replaced(session: Session, goods: PurchaseReturn) -> tuple[PurchaseReturn, ...]:
    return tuple(goods if other.id == goods.id else other for other in session.returns)
