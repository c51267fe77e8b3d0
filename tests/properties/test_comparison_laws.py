"""Reconciliation says nothing of books without fault, and of each single fault just what it is."""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.comparison import Terms, can_settle, compare
from loyalty_core.domain.difference import Difference
from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.domain.host_books import CommitKind, HostCommit, HostSessionReport
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import SETTLED, Session, SessionStatus
from tests.contracts.histories import histories

TERMS: Final = Terms(now=datetime(2040, 1, 1, tzinfo=UTC), overdue_after=timedelta(days=36500), figure_is_ours=False)
OF_RETURNS: Final = {CommitKind.REVERSAL, CommitKind.RESTORATION}
Booked: TypeAlias = tuple[Session, tuple[HostCommit, ...], HostCommit]


def faultless_books(session: Session) -> tuple[HostCommit, ...]:
    """What a host has booked that did all it was sent and told us so."""
    if session.status not in SETTLED or session.delivery is None or session.receipt is None:
        return ()
    booked = [
        (session.delivery.number, CommitKind.ACCRUAL, session.receipt.earned_points),
        (session.delivery.number, CommitKind.REDEMPTION, -session.redeemed_points),
    ]
    for goods in session.returns:
        if goods.status is ReturnStatus.RETURNED and goods.figures is not None:
            booked.append((goods.delivery.number, CommitKind.REVERSAL, -goods.figures.points_reversed))
            booked.append((goods.delivery.number, CommitKind.RESTORATION, goods.figures.points_restored))
    return tuple(
        HostCommit(key=f"sess_{session.id.hex}:{number}", kind=kind, points=points)
        for number, kind, points in booked
        if points
    )


def report(*commits: HostCommit) -> HostSessionReport:
    return HostSessionReport(status="finalized" if commits else "active", earned_points=0, commits=commits)


@st.composite
def ended(draw: st.DrawFn, *endings: SessionStatus) -> Session:
    return draw(histories(draw(st.sampled_from(endings))))[-1].after


@st.composite
def booked(draw: st.DrawFn) -> Booked:
    """A settled session, the books of it, and one commit among them."""
    session = draw(ended(*SETTLED).filter(faultless_books))
    books = faultless_books(session)
    return session, books, draw(st.sampled_from(books))


@given(ended(*SessionStatus))
def test_books_without_fault_differ_in_nothing(session: Session) -> None:
    """Whatever a session has been through; only a discount that nobody paid for is told all the same.

    And a host that does not know the session proves nothing: it is never called missing, only unknown, and that only
    where something should be booked.
    """
    books = faultless_books(session)
    always = {Kind.REDEMPTION_REFUSED} if session.status is SessionStatus.FAILED else set()
    assert {difference.kind for difference in compare(session, report(*books), TERMS)} <= always
    unknown = {difference.kind for difference in compare(session, None, TERMS)} - always
    assert ({Kind.SESSION_UNKNOWN_AT_HOST} if books else set()) == unknown


@given(booked(), st.integers(1, 1000))
def test_a_single_fault_is_told_as_what_it_is(case: Booked, by: int) -> None:
    """A commit that is lost, changed, or there a second time: one difference, with both sides of it."""
    session, books, commit = case
    of_return, points = commit.kind in OF_RETURNS, abs(commit.points)
    rest = tuple(other for other in books if other is not commit)

    (lost,) = compare(session, report(*rest), TERMS)
    assert (Kind.RETURN_MISSING if of_return else Kind.MISSING_AT_HOST, [points], []) == told(lost)
    (changed,) = compare(session, report(*rest, msgspec.structs.replace(commit, points=points + by)), TERMS)
    assert (Kind.RETURN_POINTS_DIFFER if of_return else Kind.POINTS_DIFFER, [points], [points + by]) == told(changed)
    (doubled,) = compare(session, report(*books, commit), TERMS)
    assert (Kind.DOUBLED, [points], [points, points]) == told(doubled)
    # Of a sale there is only one, whatever the key; which return a stranger's reversal doubles, nobody can tell.
    (stranger,) = compare(session, report(*books, msgspec.structs.replace(commit, key="another")), TERMS)
    expected = (Kind.RETURN_UNKNOWN_TO_US, [], [points]) if of_return else (Kind.DOUBLED, [points], [points, points])
    assert expected == told(stranger)


@given(ended(SessionStatus.FAILED, SessionStatus.CANCELLED, SessionStatus.ACTIVE, SessionStatus.FINALIZING))
def test_a_sale_that_is_not_booked_by_our_word_and_is_at_the_host(session: Session) -> None:
    """What is owed, and booked once, is settled; until it is, it differs only where it is parked. The rest differs."""
    number = 1 if session.delivery is None else session.delivery.number
    commit = HostCommit(key=f"sess_{session.id.hex}:{number}", kind=CommitKind.ACCRUAL, points=1)
    owed = session.status is SessionStatus.FINALIZING
    waits = owed and session.delivery is not None and session.delivery.parked_at is None
    assert owed == can_settle(session, report(commit))
    kinds = {difference.kind for difference in compare(session, report(commit), TERMS)} - {Kind.REDEMPTION_REFUSED}
    assert (set() if waits else {Kind.BOOKED_AT_HOST_UNKNOWN_TO_US}) == kinds


def told(difference: Difference) -> tuple[Kind, list[int], list[int]]:
    """Its kind, and the points of either side."""
    sides = (difference.ours, difference.theirs)
    ours, theirs = ([commit.points for commit in side.commits] for side in sides)
    return difference.kind, ours, theirs
