"""What reconciliation finds where a session and the host's report of it disagree, and that it finds nothing else."""

from datetime import timedelta
from typing import Final

import msgspec
import pytest

from loyalty_core.domain.comparison import Terms, can_settle, compare, not_answered
from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.domain.difference import Side
from loyalty_core.domain.host_books import HostCommit, HostSessionReport
from loyalty_core.domain.proposals import proposal
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Session
from tests.unit.reconciliation.books import (
    CANCELLED,
    LOCAL,
    OVERDUE,
    TAKEN_BACK,
    TERMS,
    WITHOUT_REWARDS,
    a_return,
    accrual,
    commit,
    failed,
    given_back,
    key,
    owed,
    parked,
    redemption,
    report,
    restoration,
    reversal,
    sold,
)

FOREIGN: Final = HostCommit(key="another system", kind=accrual().kind, points=450)
NOTHING: Final = report(status="active")
BACK: Final = (reversal(), restoration())
BACK_TOO: Final = (reversal(number=3), restoration(number=3))
UNRESTORED: Final = ReturnFigures(150, 0)
FIRST: Final = "return R-1"
SECOND: Final = a_return(name="R-2", number=3)
SALE: Final = (accrual(), redemption())
Found = list[tuple[Kind, str]]


def found(session: Session, told: HostSessionReport | None, terms: Terms = TERMS) -> Found:
    return [difference.key for difference in compare(session, told, terms)]


@pytest.mark.parametrize(
    ("session", "told"),
    [
        (sold(), report(accrual())),
        (sold(redeemed=100), report(*SALE)),
        (sold(redeemed=100), report(accrual(), redemption(-100))),
        (sold(points=0), NOTHING),
        (sold(points=0), report(accrual(0))),
        (sold(), report(accrual(), status="archived")),
        (given_back(a_return()), report(*SALE, *BACK)),
        (given_back(a_return()), report(*SALE, reversal(-150), restoration())),
        (given_back(a_return(), SECOND), report(*SALE, *BACK, *BACK_TOO)),
        (given_back(a_return(figures=ReturnFigures(0, 0))), report(*SALE)),
        (given_back(a_return(ReturnStatus.REJECTED)), report(*SALE)),
        (given_back(a_return(ReturnStatus.VOID, figures=None)), report(*SALE)),
        (given_back(a_return(ReturnStatus.ACCEPTED)), report(*SALE)),
        (given_back(a_return(ReturnStatus.ACCEPTED)), report(*SALE, *BACK)),
        (owed(), NOTHING),
        (owed(), report(accrual())),
        (owed(), None),
        (owed(ago=OVERDUE - timedelta(seconds=1)), NOTHING),
        (msgspec.structs.replace(owed(), host_session=None), None),
        (failed(), NOTHING),
        (failed(), None),
        (failed(redeemed=100, promised=False), NOTHING),
        (CANCELLED, NOTHING),
        (CANCELLED, None),
        (TAKEN_BACK, NOTHING),
        (TAKEN_BACK, None),
        (WITHOUT_REWARDS, NOTHING),
        (WITHOUT_REWARDS, None),
    ],
)  # fmt: skip
def test_agreement_is_silent(session: Session, told: HostSessionReport | None) -> None:
    """Whatever the signs, zero points unbooked, words of its own, and what is merely under way: nothing differs."""
    assert [] == found(session, told)


@pytest.mark.parametrize(
    ("session", "told", "expected"),
    [
        (sold(), NOTHING, [(Kind.MISSING_AT_HOST, "sale")]),
        (sold(redeemed=100), NOTHING, [(Kind.MISSING_AT_HOST, "sale")]),
        (sold(redeemed=100), report(accrual()), [(Kind.MISSING_AT_HOST, "sale")]),
        (sold(), report(accrual(), accrual()), [(Kind.DOUBLED, "sale")]),
        (sold(), report(accrual(), FOREIGN), [(Kind.DOUBLED, "sale")]),
        (sold(), report(accrual(number=2), FOREIGN), [(Kind.DOUBLED, "sale")]),
        (sold(redeemed=100), report(*SALE, *SALE), [(Kind.DOUBLED, "sale")]),
        (sold(), report(accrual(451)), [(Kind.POINTS_DIFFER, "sale")]),
        (sold(points=0), report(accrual(1)), [(Kind.POINTS_DIFFER, "sale")]),
        (sold(), report(accrual(), redemption(5)), [(Kind.POINTS_DIFFER, "sale")]),
        (sold(), report(accrual(number=2)), [(Kind.KEY_DIFFERS, "sale")]),
        (sold(), report(FOREIGN), [(Kind.KEY_DIFFERS, "sale")]),
        (
            sold(redeemed=100),
            report(accrual(), accrual(), redemption(99)),
            [(Kind.DOUBLED, "sale"), (Kind.POINTS_DIFFER, "sale")],
        ),
        (sold(), report(accrual(), status="active"), [(Kind.STATUS_DIFFERS, "sale")]),
        (sold(), None, [(Kind.SESSION_UNKNOWN_AT_HOST, "sale")]),
        (msgspec.structs.replace(sold(), host_session=None), None, [(Kind.SESSION_UNKNOWN_AT_HOST, "sale")]),
        (failed(), report(accrual()), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (failed(), report(status="finalized"), [(Kind.STATUS_DIFFERS, "sale")]),
        (CANCELLED, report(FOREIGN), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (TAKEN_BACK, report(accrual()), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (WITHOUT_REWARDS, report(accrual(), accrual()), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (owed(), report(FOREIGN), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (owed(), report(accrual(), accrual()), [(Kind.DOUBLED, "sale")]),
        (parked(), report(accrual()), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (failed(redeemed=100), NOTHING, [(Kind.REDEMPTION_REFUSED, "sale")]),
        (failed(redeemed=100), None, [(Kind.REDEMPTION_REFUSED, "sale")]),
        (failed(redeemed=100), report(*SALE), [(Kind.BOOKED_AT_HOST_UNKNOWN_TO_US, "sale")]),
        (owed(ago=OVERDUE), NOTHING, [(Kind.STILL_OWED, "sale")]),
        (msgspec.structs.replace(owed(ago=OVERDUE), host_session=None), None, [(Kind.STILL_OWED, "sale")]),
        (parked(ago=OVERDUE), None, [(Kind.STILL_OWED, "sale")]),
        (given_back(a_return()), report(*SALE), [(Kind.RETURN_MISSING, FIRST)]),
        (given_back(a_return()), report(*SALE, reversal()), [(Kind.RETURN_MISSING, FIRST)]),
        (given_back(a_return()), report(*SALE, *BACK, reversal()), [(Kind.DOUBLED, FIRST)]),
        (given_back(a_return()), report(*SALE, reversal(149), restoration()), [(Kind.RETURN_POINTS_DIFFER, FIRST)]),
        (given_back(a_return(figures=UNRESTORED)), report(*SALE, *BACK), [(Kind.RETURN_POINTS_DIFFER, FIRST)]),
        (given_back(a_return()), report(*BACK), [(Kind.MISSING_AT_HOST, "sale")]),
        (given_back(a_return(ReturnStatus.REJECTED)), report(*SALE, *BACK), [(Kind.RETURN_UNKNOWN_TO_US, FIRST)]),
        (
            given_back(a_return(ReturnStatus.ACCEPTED, parked_at=a_return().created_at)),
            report(*SALE, *BACK),
            [(Kind.RETURN_UNKNOWN_TO_US, FIRST)],
        ),
        (sold(redeemed=100, intents=2), report(*SALE, *BACK), [(Kind.RETURN_UNKNOWN_TO_US, "intent 2")]),
        (sold(redeemed=100), report(*SALE, *BACK), [(Kind.RETURN_UNKNOWN_TO_US, "another key")]),
        (given_back(a_return()), None, [(Kind.SESSION_UNKNOWN_AT_HOST, "sale")]),
        (
            given_back(a_return(), SECOND),
            report(accrual(7), redemption(), *BACK),
            [(Kind.POINTS_DIFFER, "sale"), (Kind.RETURN_MISSING, "return R-2")],
        ),
    ],
)  # fmt: skip
def test_each_difference_has_its_name(session: Session, told: HostSessionReport | None, expected: Found) -> None:
    """One difference for each thing that is wrong, and every kind says what a person should do."""
    assert expected == found(session, told)
    assert all(proposal(difference) for difference in compare(session, told, TERMS))


def test_both_sides_are_told() -> None:
    """Ours and the host's, of just what the difference is about; what the host takes away has no sign."""
    (missing,) = compare(sold(redeemed=100), report(accrual()), TERMS)
    assert Side(status="finalized", commits=(redemption(),)) == missing.ours
    assert Side(status="finalized") == missing.theirs
    (differs,) = compare(given_back(a_return()), report(*SALE, reversal(-149), restoration()), TERMS)
    assert (Side(status="partially_returned", commits=(reversal(),)), (reversal(149),)) == (
        differs.ours,
        differs.theirs.commits,
    )
    (strange,) = compare(failed(), report(accrual()), TERMS)
    assert ("insufficient_points", (accrual(),)) == (strange.note, strange.theirs.commits)


def test_a_figure_of_the_hosts_own_counts_under_local_authority_alone() -> None:
    """Ours is what was intended, the host's what it booked; under its own authority its word is final."""
    assert [] == found(sold(points=400), report(accrual(400)))
    (other,) = compare(sold(points=400), report(accrual(400)), LOCAL)
    assert (Kind.BOOKED_OTHERWISE, (accrual(450),), (accrual(400),)) == (
        other.kind, other.ours.commits, other.theirs.commits
    )  # fmt: skip
    assert [] == found(sold(), report(accrual()), LOCAL)
    assert [] == found(WITHOUT_REWARDS, NOTHING, LOCAL)
    assert [(Kind.POINTS_DIFFER, "sale")] == found(sold(), report(accrual(400)), LOCAL)


def test_what_is_owed_too_long_says_why() -> None:
    """Whether it is parked, and the last error; a return behind its sale waits with it."""
    late = parked(ago=OVERDUE, last_error="timed_out")
    (difference,) = compare(late, NOTHING, TERMS)
    assert ("parked", "timed_out") == (difference.ours.status, difference.note)
    waiting = msgspec.structs.replace(owed(), returns=(a_return(ReturnStatus.ACCEPTED, figures=None),), intents=2)
    later = msgspec.structs.replace(TERMS, now=TERMS.now + OVERDUE)
    assert [(Kind.STILL_OWED, "sale")] == found(waiting, NOTHING, later)
    goods = given_back(a_return(ReturnStatus.ACCEPTED, figures=None))
    assert [(Kind.STILL_OWED, FIRST)] == found(goods, report(*SALE), later)


def test_silence_is_named() -> None:
    """That the host gave no answer, and what it gave instead."""
    difference = not_answered(sold(), "timed_out")
    assert (Kind.NOT_ANSWERED, "timed_out", "finalized") == (difference.kind, difference.note, difference.ours.status)


@pytest.mark.parametrize(
    ("session", "told", "expected"),
    [
        (owed(), report(accrual()), True),
        (owed(redeemed=100), report(*SALE), True),
        (owed(redeemed=100), report(accrual()), True),
        (parked(), report(accrual()), True),
        (given_back(a_return(ReturnStatus.ACCEPTED)), report(*SALE, *BACK), True),
        (owed(), NOTHING, False),
        (owed(), report(redemption()), False),
        (owed(), report(accrual(), accrual()), False),
        (owed(), report(accrual(), FOREIGN), False),
        (owed(), report(accrual(), commit(reversal().kind, 5)), False),
        (owed(), report(FOREIGN), False),
        (given_back(a_return(ReturnStatus.ACCEPTED)), report(*SALE, *BACK, *BACK), False),
        (given_back(a_return(ReturnStatus.ACCEPTED)), report(*SALE), False),
        (given_back(a_return()), report(*SALE, *BACK), False),
        (failed(), report(accrual()), False),
    ],
)
def test_only_what_is_booked_once_is_settled(session: Session, told: HostSessionReport, expected: bool) -> None:
    """What is owed first, under its own key, and nothing beside it that settling would hide."""
    assert expected == can_settle(session, told)


def test_keys_are_those_that_are_sent() -> None:
    """The public form of the session's id and the intent's number."""
    assert accrual().key == key(1) == "sess_00000000000000000000000000000001:1"
