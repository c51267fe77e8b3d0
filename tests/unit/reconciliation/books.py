"""Sessions in every standing that reconciliation tells apart, and the books a host without fault has of them."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from loyalty_core.domain.comparison import Terms
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.host_books import CommitKind, HostCommit, HostSessionReport
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnStatus
from loyalty_core.domain.return_request import ReturnedShare
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt, Session, SessionStatus
from tests.unit.session.examples import ACTIVE, CALCULATED, NOW, a_delivery, an_intent, finalizing

OVERDUE: Final = timedelta(hours=24)
FIGURES: Final = ReturnFigures(150, 30)
TERMS: Final = Terms(now=NOW, overdue_after=OVERDUE, figure_is_ours=False)
LOCAL: Final = msgspec.structs.replace(TERMS, figure_is_ours=True)


def key(number: int, session: Session = ACTIVE) -> str:
    """The key of an intent, spelled out: what PDI is sent must never change by accident."""
    return f"sess_{session.id.hex}:{number}"


def commit(kind: CommitKind, points: int, number: int = 1) -> HostCommit:
    return HostCommit(key=key(number), kind=kind, points=points)


def accrual(points: int = 450, number: int = 1) -> HostCommit:
    return commit(CommitKind.ACCRUAL, points, number)


def redemption(points: int = 100, number: int = 1) -> HostCommit:
    return commit(CommitKind.REDEMPTION, points, number)


def reversal(points: int = 150, number: int = 2) -> HostCommit:
    return commit(CommitKind.REVERSAL, points, number)


def restoration(points: int = 30, number: int = 2) -> HostCommit:
    return commit(CommitKind.RESTORATION, points, number)


def report(*commits: HostCommit, status: str = "finalized") -> HostSessionReport:
    earned = sum(entry.points for entry in commits if entry.kind is CommitKind.ACCRUAL)
    return HostSessionReport(status=status, earned_points=earned, commits=commits)


def sold(*, points: int = 450, redeemed: int = 0, **changes: Any) -> Session:
    """A sale that the host has booked, by our word."""
    owed = finalizing(a_delivery(sent=True, attempts=1), an_intent(redeem_points=redeemed))
    settled = msgspec.structs.replace(
        owed,
        status=SessionStatus.FINALIZED,
        receipt=HostReceipt(earned_points=points, new_balance=1650),
        redeemed_points=redeemed,
        finalized_at=NOW,
        closed_at=NOW,
    )
    return msgspec.structs.replace(settled, **changes)


def a_return(
    status: ReturnStatus = ReturnStatus.RETURNED,
    *,
    name: str = "R-1",
    number: int = 2,
    figures: ReturnFigures | None = FIGURES,
    **delivery: Any,
) -> PurchaseReturn:
    queued = status is ReturnStatus.ACCEPTED and delivery.get("parked_at") is None
    return PurchaseReturn(
        id=ReturnId(name),
        fingerprint="e" * 64,
        share=ReturnedShare(("1/3",)),
        delivery=Delivery(number=number, begun_at=NOW, next_attempt_at=NOW if queued else None, **delivery),
        created_at=NOW,
        status=status,
        figures=figures,
    )


def given_back(*returns: PurchaseReturn) -> Session:
    """A sale with a redemption, some of which was given back."""
    return sold(redeemed=100, status=SessionStatus.PARTIALLY_RETURNED, returns=returns, intents=1 + len(returns))


def owed(*, ago: timedelta = timedelta(), redeemed: int = 0, **delivery: Any) -> Session:
    """A sale that the host has not answered for."""
    fields: dict[str, Any] = {"unanswered": 1, "sent_at": NOW, "accepted_at": NOW, "attempts": 1, **delivery}
    begun = msgspec.structs.replace(a_delivery(), begun_at=NOW - ago, **fields)
    return finalizing(begun, an_intent(redeem_points=redeemed))


def parked(**fields: Any) -> Session:
    return owed(parked_at=NOW, next_attempt_at=None, **fields)


def failed(*, redeemed: int = 0, promised: bool = True) -> Session:
    sale = owed(redeemed=redeemed, unanswered=0, accepted_at=NOW if promised else None)
    assert sale.delivery is not None
    return msgspec.structs.replace(
        sale,
        status=SessionStatus.FAILED,
        failure="insufficient_points",
        delivery=sale.delivery.settle(),
        closed_at=NOW,
    )


TAKEN_BACK: Final = msgspec.structs.replace(CALCULATED, intents=1)
"""The host refused its intent while the POS waited."""
CANCELLED: Final = msgspec.structs.replace(
    owed(unanswered=0, sent_at=None), status=SessionStatus.CANCELLED, closed_at=NOW
)
WITHOUT_REWARDS: Final = msgspec.structs.replace(
    TAKEN_BACK,
    status=SessionStatus.FINALIZED,
    intent=msgspec.structs.replace(an_intent(), apply_rewards=False),
    receipt=HostReceipt(earned_points=0),
    closed_at=NOW,
)
