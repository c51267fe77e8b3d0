"""Holding a sale against what the host has booked of it."""

from collections.abc import Iterable, Iterator, Mapping

from loyalty_core.domain.difference import Difference, DifferenceKind, difference
from loyalty_core.domain.host_books import OF_A_SALE, CommitKind, HostCommit, HostSessionReport, of_kind
from loyalty_core.domain.identifiers import intent_key
from loyalty_core.domain.session import SETTLED, Session, SessionStatus


def sale_differences(session: Session, report: HostSessionReport) -> Iterator[Difference]:
    """Where the two disagree on the sale itself: accrual and redemption."""
    points = booked_sale(session)
    commits = of_kind(report.commits, *OF_A_SALE)
    if points is None:
        yield from _of_a_sale_not_booked(session, commits, report.status)
        return
    key = sale_key(session)
    verdicts: dict[DifferenceKind, list[CommitKind]] = {}
    for kind in OF_A_SALE:
        verdict = _verdict(points[kind], of_kind(commits, kind), key)
        if verdict is not None:
            verdicts.setdefault(verdict, []).append(kind)
    for verdict, kinds in verdicts.items():
        ours = of_kind(sale_commits(session), *kinds)
        yield difference(verdict, session, ours=ours, status=report.status, theirs=of_kind(commits, *kinds))


def booked_sale(session: Session) -> Mapping[CommitKind, int] | None:
    """The points of a sale that the host has booked, by our word; None where it has not, or need not."""
    if session.status not in SETTLED or session.receipt is None or session.delivery is None:
        return None  # settled and never delivered: a sale without rewards
    return {CommitKind.ACCRUAL: session.receipt.earned_points, CommitKind.REDEMPTION: session.redeemed_points}


def sale_commits(session: Session) -> tuple[HostCommit, ...]:
    """The commits of the sale that the host should have; none of no points, which it need not keep."""
    booked, key = booked_sale(session) or {}, sale_key(session)
    return tuple(HostCommit(key=key, kind=kind, points=points) for kind, points in booked.items() if points)


def sale_key(session: Session) -> str:
    """The key under which the sale was, or is to be, booked; empty where it has none."""
    return "" if session.delivery is None else intent_key(session.id, session.delivery.number)


def but_for(commits: Iterable[HostCommit], key: str) -> tuple[HostCommit, ...]:
    """Those under any other key."""
    return tuple(commit for commit in commits if commit.key != key)


def _verdict(points: int, commits: tuple[HostCommit, ...], key: str) -> DifferenceKind | None:
    if not commits:
        return DifferenceKind.MISSING_AT_HOST if points else None
    if len(commits) > 1:
        return DifferenceKind.DOUBLED
    if abs(commits[0].points) != points:
        return DifferenceKind.POINTS_DIFFER
    return None if commits[0].key == key else DifferenceKind.KEY_DIFFERS


def _of_a_sale_not_booked(session: Session, commits: tuple[HostCommit, ...], status: str) -> Iterator[Difference]:
    """A sale that is owed may be booked once, under its own key; any other may not be booked at all."""
    strange = commits
    if session.status is SessionStatus.FINALIZING and session.delivery is not None:
        own = tuple(commit for commit in commits if commit.key == sale_key(session))
        if any(len(of_kind(own, kind)) > 1 for kind in OF_A_SALE):
            yield difference(DifferenceKind.DOUBLED, session, status=status, theirs=own)
        # What is not parked settles by itself as soon as it is tried again.
        strange = commits if session.delivery.parked_at is not None else but_for(commits, sale_key(session))
    if strange:
        yield difference(DifferenceKind.BOOKED_AT_HOST_UNKNOWN_TO_US, session, status=status, theirs=strange)
