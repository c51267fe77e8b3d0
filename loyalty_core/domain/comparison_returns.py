"""Holding the returns of a session against what the host has booked of them."""

from collections.abc import Iterator, Mapping

from loyalty_core.domain.difference import Difference, DifferenceKind, difference, item_of_return
from loyalty_core.domain.host_books import OF_A_RETURN, CommitKind, HostCommit, HostSessionReport, of_kind
from loyalty_core.domain.identifiers import intent_key
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnStatus
from loyalty_core.domain.session import Session

_ANOTHER_KEY = "another key"


def return_differences(session: Session, report: HostSessionReport) -> Iterator[Difference]:
    """Where the two disagree on what was given back: reversal and restoration, return by return."""
    for goods in session.returns:
        key = intent_key(session.id, goods.delivery.number)
        commits = tuple(commit for commit in of_kind(report.commits, *OF_A_RETURN) if commit.key == key)
        for verdict, kinds in _verdicts(goods, commits).items():
            yield difference(
                verdict,
                session,
                item=item_of_return(goods.id),
                ours=of_kind(return_commits(session, goods), *kinds),
                status=report.status,
                theirs=of_kind(commits, *kinds),
            )
    yield from _of_no_return(session, report)


def return_commits(session: Session, goods: PurchaseReturn) -> tuple[HostCommit, ...]:
    """The commits of a return that the host should have; none of no points, which it need not keep."""
    if goods.status is not ReturnStatus.RETURNED:
        return ()
    key = intent_key(session.id, goods.delivery.number)
    return tuple(HostCommit(key=key, kind=kind, points=points) for kind, points in _points(goods).items() if points)


def _verdicts(goods: PurchaseReturn, commits: tuple[HostCommit, ...]) -> Mapping[DifferenceKind, list[CommitKind]]:
    verdicts: dict[DifferenceKind, list[CommitKind]] = {}
    for kind in OF_A_RETURN:
        verdict = _verdict(goods, _points(goods)[kind], of_kind(commits, kind))
        if verdict is not None:
            verdicts.setdefault(verdict, []).append(kind)
    return verdicts


def _verdict(goods: PurchaseReturn, points: int, commits: tuple[HostCommit, ...]) -> DifferenceKind | None:
    if len(commits) > 1:
        return DifferenceKind.DOUBLED
    if goods.status is ReturnStatus.RETURNED:
        if not commits:
            return DifferenceKind.RETURN_MISSING if points else None
        return None if abs(commits[0].points) == points else DifferenceKind.RETURN_POINTS_DIFFER
    # What is owed and not parked settles by itself as soon as it is tried again.
    settles = goods.is_owed and goods.delivery.parked_at is None
    return DifferenceKind.RETURN_UNKNOWN_TO_US if commits and not settles else None


def _of_no_return(session: Session, report: HostSessionReport) -> Iterator[Difference]:
    """What the host took back under keys that no return of the session has."""
    known = {intent_key(session.id, goods.delivery.number) for goods in session.returns}
    ours = {intent_key(session.id, number): f"intent {number}" for number in range(1, session.intents + 1)}
    strange: dict[str, list[HostCommit]] = {}
    for commit in of_kind(report.commits, *OF_A_RETURN):
        if commit.key not in known:
            strange.setdefault(ours.get(commit.key, _ANOTHER_KEY), []).append(commit)
    for item, commits in strange.items():
        yield difference(
            DifferenceKind.RETURN_UNKNOWN_TO_US, session, item=item, status=report.status, theirs=tuple(commits)
        )


def _points(goods: PurchaseReturn) -> Mapping[CommitKind, int]:
    figures = goods.figures
    return {
        CommitKind.REVERSAL: 0 if figures is None else figures.points_reversed,
        CommitKind.RESTORATION: 0 if figures is None else figures.points_restored,
    }
