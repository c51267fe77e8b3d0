"""What a difference shows of both sides: whoever puts it right has nothing else to go by."""

import pytest

from loyalty_core.domain.comparison import compare, not_answered
from loyalty_core.domain.difference import Difference, Side
from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.domain.host_books import HostCommit, HostSessionReport
from loyalty_core.domain.session import Session
from tests.unit.reconciliation.books import (
    OVERDUE,
    TERMS,
    a_return,
    accrual,
    failed,
    given_back,
    owed,
    parked,
    redemption,
    report,
    restoration,
    reversal,
    sold,
)

OURS = (accrual(), redemption())
TWICE = (accrual(), accrual(), redemption(), redemption())


def _of_the_sale(
    kind: Kind,
    ours: tuple[str, tuple[HostCommit, ...]],
    theirs: tuple[str | None, tuple[HostCommit, ...]],
    note: str | None = None,
) -> Difference:
    return Difference(
        kind=kind,
        ours=Side(status=ours[0], commits=ours[1]),
        theirs=Side(status=theirs[0], commits=theirs[1]),
        note=note,
    )


@pytest.mark.parametrize(
    ("session", "told", "expected"),
    [
        (
            sold(redeemed=100),
            report(accrual()),
            _of_the_sale(Kind.MISSING_AT_HOST, ("finalized", (redemption(),)), ("finalized", ())),
        ),
        (
            sold(redeemed=100),
            report(accrual(451), redemption(-100)),
            _of_the_sale(Kind.POINTS_DIFFER, ("finalized", (accrual(),)), ("finalized", (accrual(451),))),
        ),
        (
            sold(redeemed=100),
            report(accrual(), accrual(), redemption(), redemption(-100)),
            _of_the_sale(Kind.DOUBLED, ("finalized", OURS), ("finalized", TWICE)),
        ),
        (
            sold(redeemed=100),
            report(*OURS, status="active"),
            _of_the_sale(Kind.STATUS_DIFFERS, ("finalized", OURS), ("active", OURS)),
        ),
        (sold(redeemed=100), None, _of_the_sale(Kind.SESSION_UNKNOWN_AT_HOST, ("finalized", OURS), (None, ()))),
        (
            owed(),
            report(accrual(), accrual(), status="open"),
            _of_the_sale(Kind.DOUBLED, ("finalizing", ()), ("open", (accrual(), accrual()))),
        ),
        (
            failed(),
            report(accrual(-450), status="open"),
            _of_the_sale(
                Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, ("failed", ()), ("open", (accrual(),)), "insufficient_points"
            ),
        ),
        (
            failed(redeemed=100),
            None,
            _of_the_sale(Kind.REDEMPTION_REFUSED, ("failed", (redemption(),)), (None, ()), "insufficient_points"),
        ),
        (
            owed(ago=OVERDUE, last_error="timed_out"),
            None,
            _of_the_sale(Kind.STILL_OWED, ("finalizing", ()), (None, ()), "timed_out"),
        ),
        (parked(ago=OVERDUE), None, _of_the_sale(Kind.STILL_OWED, ("parked", ()), (None, ()))),
    ],
    ids=lambda part: part.kind.value if isinstance(part, Difference) else "",
)  # fmt: skip
def test_both_sides_are_shown(session: Session, told: HostSessionReport | None, expected: Difference) -> None:
    """Its word and its commits, of what the difference is about and of nothing else; points without a sign."""
    assert (expected,) == compare(session, told, TERMS)


@pytest.mark.parametrize(
    ("number", "item"), [(0, "another key"), (1, "intent 1"), (2, "intent 2"), (3, "intent 3"), (4, "another key")]
)
def test_points_given_back_under_a_key_of_no_return(number: int, item: str) -> None:
    """They are shown under the intent whose key it is, if there was one; with the host's word beside them."""
    strange = reversal(number=number)
    expected = Difference(
        kind=Kind.RETURN_UNKNOWN_TO_US,
        item=item,
        ours=Side(status="finalized"),
        theirs=Side(status="archived", commits=(strange,)),
    )
    assert (expected,) == compare(sold(intents=3), report(accrual(), strange, status="archived"), TERMS)


def test_both_sides_of_a_return() -> None:
    """What was taken back, as either has it."""
    expected = Difference(
        kind=Kind.RETURN_POINTS_DIFFER,
        item="return R-1",
        ours=Side(status="partially_returned", commits=(reversal(),)),
        theirs=Side(status="archived", commits=(reversal(149),)),
    )
    told = report(*OURS, reversal(-149), restoration(), status="archived")
    assert (expected,) == compare(given_back(a_return()), told, TERMS)


def test_an_answer_that_never_came_shows_what_was_heard_last() -> None:
    """Nothing is known of the other side then."""
    expected = _of_the_sale(Kind.NOT_ANSWERED, ("finalized", ()), (None, ()), "timed_out")
    assert expected == not_answered(sold(), "timed_out")


def test_a_promised_redemption_that_is_still_owed_is_not_refused() -> None:
    """It may yet be booked."""
    assert () == compare(owed(redeemed=100), report(status="active"), TERMS)
