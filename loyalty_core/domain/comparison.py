"""Holding a session against the host's report of it. Differences are described here, and never put right."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_core.domain.comparison_returns import return_commits, return_differences
from loyalty_core.domain.comparison_sale import booked_sale, but_for, sale_commits, sale_differences, sale_key
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.difference import SALE, Difference, DifferenceKind, Side, difference, item_of_return
from loyalty_core.domain.host_books import (
    OF_A_RETURN,
    OF_A_SALE,
    CommitKind,
    HostCommit,
    HostSessionReport,
    of_kind,
)
from loyalty_core.domain.identifiers import intent_key
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.domain.session_returns import first_owed

_BOOKED: Final = frozenset({"finalized", "partially_returned", "returned"})
_NOT_BOOKED: Final = frozenset({"active", "open", "calculated", "expired", "failed", "cancelled"})
"""Words of the host's that contradict a booked sale. A word that is in neither set contradicts nothing."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison is judged by."""

    now: datetime
    overdue_after: timedelta
    """How long a sale or a return may be owed."""
    figure_is_ours: bool
    """Whether the host has to book our figure (local authority), so that another one is a difference."""


def compare(session: Session, report: HostSessionReport | None, terms: Terms) -> tuple[Difference, ...]:
    """Every difference between `session` and `report`.

    `report` is None where the host says that it knows no such session, or where we have no handle to ask it with.
    That is told as what it is, and never taken for an absence of commits.
    """
    alone = (*_owed_for_too_long(session, terms), *_booked_otherwise(session, terms))
    if report is None:
        return (*alone, *_redemption_refused(session, ()), *_unknown_session(session))
    books = (*sale_differences(session, report), *return_differences(session, report))
    return (*alone, *_redemption_refused(session, report.commits), *(books or _status(session, report)))


def not_answered(session: Session, reason: str) -> Difference:
    """What is to be said of a session for which the host gave no answer; `reason` is the last it gave."""
    ours = Side(status=session.status.value)
    return Difference(kind=DifferenceKind.NOT_ANSWERED, ours=ours, theirs=Side(), note=reason)


def can_settle(session: Session, report: HostSessionReport) -> bool:
    """Whether the host has booked what the session owes first, once and nothing beside it, so that it may be settled.

    Whatever else there is needs a person: settling it would hide that.
    """
    owed = first_owed(session)
    if owed is None:
        return False
    return_id, delivery = owed
    kinds = OF_A_SALE if return_id is None else OF_A_RETURN
    key = intent_key(session.id, delivery.number)
    booked = [commit.kind for commit in report.commits if commit.key == key]
    twice = return_id is None and but_for(of_kind(report.commits, *OF_A_SALE), key)
    return kinds[0] in booked and len(booked) == len(set(booked)) and set(booked) <= set(kinds) and not twice


def _status(session: Session, report: HostSessionReport) -> Iterator[Difference]:
    """The host's word against ours, where its commits have nothing to say."""
    ours = _commits(session)
    contradicted = report.status in _NOT_BOOKED if ours else report.status in _BOOKED and not report.commits
    if contradicted and session.status is not SessionStatus.FINALIZING:
        yield difference(DifferenceKind.STATUS_DIFFERS, session, ours=ours, status=report.status, theirs=report.commits)


def _unknown_session(session: Session) -> Iterator[Difference]:
    booked = _commits(session)
    if booked:
        yield difference(DifferenceKind.SESSION_UNKNOWN_AT_HOST, session, ours=booked)


def _commits(session: Session) -> tuple[HostCommit, ...]:
    """Every commit that the host should have for the session."""
    returned = (commit for goods in session.returns for commit in return_commits(session, goods))
    return (*sale_commits(session), *returned)


def _owed_for_too_long(session: Session, terms: Terms) -> Iterator[Difference]:
    owed: list[tuple[str, Delivery | None]]
    if session.status is SessionStatus.FINALIZING:
        owed = [(SALE, session.delivery)]
    else:
        owed = [(item_of_return(goods.id), goods.delivery) for goods in session.returns if goods.is_owed]
    for item, delivery in owed:
        if delivery is not None and terms.now - delivery.begun_at >= terms.overdue_after:
            status = "parked" if delivery.parked_at is not None else session.status.value
            yield Difference(
                kind=DifferenceKind.STILL_OWED,
                item=item,
                ours=Side(status=status),
                theirs=Side(),
                note=delivery.last_error,
            )


def _redemption_refused(session: Session, commits: Iterable[HostCommit]) -> Iterator[Difference]:
    """A POS that was promised the sale may have given the discount; where the sale failed, nobody has paid for it."""
    intent = session.intent
    if session.status is not SessionStatus.FAILED or intent is None or not session.is_promised:
        return
    if intent.basket.redeem_points and not of_kind(commits, CommitKind.REDEMPTION):
        points = intent.basket.redeem_points
        wanted = HostCommit(key=sale_key(session), kind=CommitKind.REDEMPTION, points=points)
        yield difference(DifferenceKind.REDEMPTION_REFUSED, session, ours=(wanted,))


def _booked_otherwise(session: Session, terms: Terms) -> Iterator[Difference]:
    booked, intent = booked_sale(session), session.intent
    if not terms.figure_is_ours or booked is None or intent is None:
        return
    intended, told = intent.quote.earned_points, booked[CommitKind.ACCRUAL]
    if intended != told:
        ours, theirs = (
            HostCommit(key=sale_key(session), kind=CommitKind.ACCRUAL, points=points) for points in (intended, told)
        )
        yield difference(DifferenceKind.BOOKED_OTHERWISE, session, ours=(ours,), theirs=(theirs,))
