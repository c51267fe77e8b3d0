"""Findings of reconciliation as a person reads them, and as programs and spreadsheets do. No customer is in them."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TextIO

from rich.console import Console
from rich.table import Column, Table

from loyalty_core.domain.difference import DifferenceKind, Side
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.proposals import proposal
from loyalty_core.ports.reconciliation import Finding

_WORDS: Final = {
    DifferenceKind.MISSING_AT_HOST: "PDI shows no booking",
    DifferenceKind.BOOKED_AT_HOST_UNKNOWN_TO_US: "booked at PDI, not here",
    DifferenceKind.DOUBLED: "booked more than once",
    DifferenceKind.POINTS_DIFFER: "other points at PDI",
    DifferenceKind.KEY_DIFFERS: "booked under another key",
    DifferenceKind.RETURN_MISSING: "PDI shows no booking",
    DifferenceKind.RETURN_UNKNOWN_TO_US: "taken back at PDI, not here",
    DifferenceKind.RETURN_POINTS_DIFFER: "other points at PDI",
    DifferenceKind.STATUS_DIFFERS: "PDI's status says otherwise",
    DifferenceKind.SESSION_UNKNOWN_AT_HOST: "PDI does not know the session",
    DifferenceKind.BOOKED_OTHERWISE: "PDI booked its own figure",
    DifferenceKind.REDEMPTION_REFUSED: "discount that nobody paid for",
    DifferenceKind.STILL_OWED: "owed for too long",
    DifferenceKind.NOT_ANSWERED: "PDI gives no answer",
}


class Report(NamedTuple):
    """What is reported."""

    findings: Sequence[Finding]
    compared_until: datetime | None
    """Up to when everything has been compared with PDI; None where nothing ever was."""
    is_whole: bool
    """Whether there are no more findings than these."""

    @property
    def open(self) -> int:
        """How many of them are open."""
        return sum(finding.resolved_at is None for finding in self.findings)


def described_finding(finding: Finding) -> dict[str, Any]:
    """One finding for programs."""
    difference = finding.difference
    return {
        "number": finding.number,
        "day": finding.day.isoformat(),
        "sessionId": format_session_id(finding.session),
        "channelId": finding.channel,
        "transactionId": finding.transaction,
        "kind": difference.kind.value,
        "item": difference.item,
        "ours": _described_side(difference.ours),
        "pdi": _described_side(difference.theirs),
        "note": difference.note,
        "foundAt": _iso(finding.found_at),
        "checkedAt": _iso(finding.checked_at),
        "resolvedAt": _iso(finding.resolved_at),
        "resolution": finding.resolution,
        "proposal": proposal(difference),
    }


def described_report(report: Report) -> dict[str, Any]:
    """The whole report for programs."""
    return {
        "comparedUntil": _iso(report.compared_until),
        "open": report.open,
        "isWhole": report.is_whole,
        "findings": [described_finding(finding) for finding in report.findings],
    }


def write_csv(report: Report, out: TextIO) -> None:
    """One line for each finding, below the names of the columns."""
    writer: csv.DictWriter[str] | None = None
    for finding in report.findings:
        line = described_finding(finding)
        line |= {side: _side(finding.session, told) for side, told in _sides(finding)}
        if writer is None:
            writer = csv.DictWriter(out, line.keys())
            writer.writeheader()
        writer.writerow(line)


def print_findings(findings: Sequence[Finding], title: str | None = None) -> None:
    """A table of findings, and below it what to do about those that are open."""
    table = Table(Column("#", justify="right"), Column("session", no_wrap=True), title=title)
    for heading in ("channel", "transaction", "of", "what", "ours", "PDI's", "found (UTC)", "stands"):
        table.add_column(heading)
    for finding in findings:
        difference = finding.difference
        table.add_row(
            str(finding.number),
            format_session_id(finding.session),
            finding.channel,
            finding.transaction,
            difference.item,
            f"{_WORDS[difference.kind]} ({difference.kind.value})",
            *(_side(finding.session, told) for _, told in _sides(finding)),
            f"{finding.found_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            _standing(finding),
        )
    # What PDI or an operator wrote is shown as it is, brackets and colons too.
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    for numbers, advice in _advice(findings):
        console.print(f"{numbers}: {advice}")


def _advice(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """What to do, once for all findings it is good for."""
    numbers: dict[str, list[str]] = {}
    for finding in findings:
        if finding.resolved_at is None:
            numbers.setdefault(proposal(finding.difference), []).append(f"#{finding.number}")
    return [(", ".join(mentioned), advice) for advice, mentioned in numbers.items()]


def _standing(finding: Finding) -> str:
    if finding.resolved_at is None:
        return "open" if finding.difference.note is None else f"open: {finding.difference.note}"
    when = f"{finding.resolved_at.astimezone(UTC):%Y-%m-%d %H:%M}"
    return f"over since {when}" if finding.resolution is None else f"closed {when} by {finding.resolution}"


def _sides(finding: Finding) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("ours", finding.difference.ours), ("pdi", finding.difference.theirs)


def _side(session: SessionId, side: Side) -> str:
    """The commits, each with the end of its key that tells it from the session's others; or else the status alone."""
    own = format_session_id(session)
    commits = [
        f"{commit.kind.value} {commit.points} under {commit.key.removeprefix(own) or commit.key}"
        for commit in side.commits
    ]
    return ", ".join(commits) or (f"nothing ({side.status})" if side.status else "nothing")


def _described_side(side: Side) -> dict[str, Any]:
    commits = [{"kind": commit.kind.value, "points": commit.points, "key": commit.key} for commit in side.commits]
    return {"status": side.status, "commits": commits}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
