"""A session as an operator reads it: as JSON for programs, as tables for people. Names of customers are not in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Column, Table

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import format_session_id
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.reconciliation import Finding
from loyalty_core.ports.session_directory import TimelineEntry
from loyalty_web.cli.finding_views import described_finding, print_findings


class SessionFile(NamedTuple):
    """A session with its whole timeline."""

    session: Session
    timeline: tuple[TimelineEntry, ...]
    findings: tuple[Finding, ...] = ()
    """What reconciliation has found of it."""


def described(session: Session) -> dict[str, Any]:
    """The session for programs."""
    return {
        "sessionId": format_session_id(session.id),
        "status": session.status.value,
        "version": session.version,
        "client": session.client,
        "channelId": session.channel,
        "transactionId": session.transaction,
        "customerId": session.customer,
        "earnedPoints": session.earned_points,
        "redeemedPoints": session.redeemed_points,
        "pointsReversed": session.points_reversed,
        "pointsRestored": session.points_restored,
        "receiptId": None if session.intent is None else session.intent.receipt,
        "pdiSessionId": session.host_session,
        "failure": session.failure,
        "createdAt": _iso(session.created_at),
        "expiresAt": _iso(session.expires_at),
        "finalizedAt": _iso(session.finalized_at),
        "closedAt": _iso(session.closed_at),
        "owed": _owed(session),
        "returns": [_return(goods) for goods in session.returns],
    }


def described_file(file: SessionFile) -> dict[str, Any]:
    """The session and its timeline for programs."""
    timeline = [
        {
            "version": entry.version,
            "at": _iso(entry.at),
            "from": None if entry.before is None else entry.before.value,
            "to": entry.after.value,
            "cause": entry.cause,
            "detail": entry.detail,
            "traceId": entry.trace_id,
        }
        for entry in file.timeline
    ]
    findings = [described_finding(finding) for finding in file.findings]
    return {**described(file.session), "timeline": timeline, "findings": findings}


def print_list(sessions: Sequence[Session]) -> None:
    """What is owed, one line each."""
    table = Table(Column("session", no_wrap=True), "status", "channel", "transaction", "owes")
    for heading in ("since (UTC)", "tries", "last error", "next"):
        table.add_column(heading)
    for session in sessions:
        first = first_owed(session)
        if first is None:
            continue
        name, delivery = first
        table.add_row(
            format_session_id(session.id),
            session.status.value,
            session.channel,
            session.transaction,
            "the sale" if name is None else f"return {name}",
            _shown(delivery.begun_at),
            str(delivery.attempts),
            delivery.last_error or "",
            _next(delivery),
        )
    _console().print(table)


def print_file(file: SessionFile) -> None:
    """Everything there is to know of a session, in the order in which it happened."""
    session, console = file.session, _console()
    facts = Table.grid(padding=(0, 2))
    for name, value in described(session).items():
        if name not in {"owed", "returns"} and value is not None:
            facts.add_row(name, str(value))
    first = first_owed(session)
    if first is not None:
        what = "the sale" if first[0] is None else f"return {first[0]}"
        delivery = first[1]
        tries = f"{delivery.attempts} tries, {delivery.unanswered} without an answer"
        facts.add_row("owes", f"{what}, since {_shown(delivery.begun_at)}: {tries}; {_next(delivery)}")
    console.print(facts)
    if session.returns:
        _print_returns(console, session.returns)
    timeline = Table(Column("at (UTC)", no_wrap=True), "from", "to", "why", "detail", "trace", title="Timeline")
    for entry in file.timeline:
        timeline.add_row(
            _shown(entry.at),
            "" if entry.before is None else entry.before.value,
            entry.after.value,
            entry.cause,
            entry.detail or "",
            entry.trace_id or "",
        )
    console.print(timeline)
    if file.findings:
        print_findings(file.findings, title="Differences from PDI")


def _console() -> Console:
    """What an operator or PDI wrote is shown as it is, brackets and colons too."""
    return Console(markup=False, emoji=False, highlight=False)


def _print_returns(console: Console, returns: Sequence[PurchaseReturn]) -> None:
    table = Table("return", "status", "reversed", "restored", "created", "settled", "failure", title="Returns")
    for goods in returns:
        figures = goods.figures
        table.add_row(
            goods.id,
            goods.status.value,
            "" if figures is None else str(figures.points_reversed),
            "" if figures is None else str(figures.points_restored),
            _shown(goods.created_at),
            "" if goods.settled_at is None else _shown(goods.settled_at),
            goods.failure or "",
        )
    console.print(table)


def _owed(session: Session) -> dict[str, Any] | None:
    first = first_owed(session)
    if first is None:
        return None
    name, delivery = first
    return {
        "returnId": name,
        "since": _iso(delivery.begun_at),
        "attempts": delivery.attempts,
        "unanswered": delivery.unanswered,
        "lastError": delivery.last_error,
        "nextAttemptAt": _iso(delivery.next_attempt_at),
        "parkedAt": _iso(delivery.parked_at),
    }


def _return(goods: PurchaseReturn) -> dict[str, Any]:
    return {
        "returnId": goods.id,
        "status": goods.status.value,
        "pointsReversed": None if goods.figures is None else goods.figures.points_reversed,
        "pointsRestored": None if goods.figures is None else goods.figures.points_restored,
        "createdAt": _iso(goods.created_at),
        "settledAt": _iso(goods.settled_at),
        "failure": goods.failure,
    }


def _next(delivery: Delivery) -> str:
    if delivery.parked_at is not None:
        return f"parked {_shown(delivery.parked_at)}"
    return "" if delivery.next_attempt_at is None else f"again {_shown(delivery.next_attempt_at)}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
