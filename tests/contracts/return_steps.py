"""Transitions that returns make, with generated content."""

from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnedSoFar
from loyalty_core.domain.return_request import ReturnedShare
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_returns import (
    attempt_return,
    begin_return,
    complete_return,
    find_return,
    freeze_return,
    reject_return,
    take_back_return,
)
from tests.contracts.sale_steps import MOMENTS, POINTS, START, TEXT, Step

_TOLD: Final[dict[str, st.SearchStrategy[Any]]] = {
    "figures": st.builds(ReturnFigures, POINTS, POINTS),
    "remaining_points": POINTS,
    "session_status": TEXT,
}


# -- steps of a sale that was booked


def return_begun(draw: st.DrawFn, name: str, share: str) -> Step:
    created_at, next_attempt_at = draw(MOMENTS), draw(MOMENTS)
    answered, origin = draw(st.none() | st.builds(ReturnedSoFar, **_TOLD)), draw(st.none() | TEXT)

    def step(session: Session) -> tuple[Session, Cause]:
        assert session.intent is not None
        goods = PurchaseReturn(
            id=ReturnId(name),
            fingerprint="e" * 64,
            share=ReturnedShare((share,) * max(1, len(session.intent.basket.lines))),
            delivery=Delivery(number=session.intents + 1, begun_at=created_at, next_attempt_at=next_attempt_at),
            created_at=created_at,
            answered=answered,
            origin=origin,
        )
        return begin_return(session, goods), Cause.RETURN_INTENDED

    return step


def return_attempted(draw: st.DrawFn, name: str) -> Step:
    now, error = draw(MOMENTS), draw(TEXT)
    lease = now + timedelta(seconds=10)

    def step(session: Session) -> tuple[Session, Cause]:
        goods = find_return(session, ReturnId(name))
        assert goods is not None
        tried = goods.delivery.begin_attempt(now, lease).attempt_unanswered(lease, error, now)
        return attempt_return(session, goods.id, tried), Cause.DELIVERY_AWAITED

    return step


def return_parked(draw: st.DrawFn, name: str) -> Step:
    now = draw(MOMENTS)

    def step(session: Session) -> tuple[Session, Cause]:
        goods = find_return(session, ReturnId(name))
        assert goods is not None
        return attempt_return(session, goods.id, goods.delivery.park(now)), Cause.PARKED

    return step


def return_frozen(draw: st.DrawFn, name: str) -> Step:
    figures = ReturnFigures(draw(POINTS), draw(POINTS))
    return lambda session: (freeze_return(session, ReturnId(name), figures), Cause.ATTEMPT_BEGUN)


def return_taken_back(_: st.DrawFn, name: str) -> Step:
    return lambda session: (take_back_return(session, ReturnId(name)), Cause.HOST_REJECTED)


def return_rejected(draw: st.DrawFn, name: str) -> Step:
    reason = draw(TEXT)
    return lambda session: (reject_return(session, ReturnId(name), reason, START), Cause.RETURN_REJECTED)


def return_completed(draw: st.DrawFn, name: str) -> Step:
    percent = draw(st.integers(0, 50))

    def step(session: Session) -> tuple[Session, Cause]:
        figures = ReturnFigures(
            (session.earned_points - session.points_reversed) * percent // 100,
            (session.redeemed_points - session.points_restored) * percent // 100,
        )
        return complete_return(session, ReturnId(name), figures, START), Cause.RETURN_SETTLED

    return step
