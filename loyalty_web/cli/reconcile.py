import getpass
import json
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Final

import click
import msgspec

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.findings import PostgresFindings
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.ports.reconciliation import Finding, FindingQuery
from loyalty_core.use_cases.operate_delivery import MAX_WORDS
from loyalty_web.cli.finding_views import Report, described_report, print_findings, write_csv
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.storage import with_connections

_OPEN_FINDINGS: Final = 3
"""The exit code of a report with open findings: neither success nor, as 1 and 2 are, a failure to report."""
_PAGE: Final = 1000
_DAY: Final = click.DateTime(["%Y-%m-%d"])


@click.group()
def reconcile() -> None:
    """Show where PDI's books and ours differ; close what is settled.

    The comparing itself is a job: loyalty jobs run reconcile.
    """


@reconcile.command()
@click.option("--day", type=_DAY, help="Findings of one day (UTC), as 2026-11-22; without it, of all days.")
@click.option("--open", "open_only", is_flag=True, help="Only those that are still so.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="How many at most.")
@click.option("--json", "form", flag_value="json", help="Write one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Write one line for each finding, with the names in the first.")
def report(day: datetime | None, open_only: bool, limit: int, form: str | None) -> None:
    """Report the findings of reconciliation, and what to do about them.

    Ends with 0 where none of those reported is open, with 3 where some are.
    """
    wanted = FindingQuery(day=None if day is None else day.date(), open_only=open_only)

    async def look(connections: Connections) -> Report:
        found = await _pages(PostgresFindings(connections), wanted, limit + 1)
        standing = await PostgresReconciliation(connections, RowAddresses()).standing()
        until = None if standing.compared is None else standing.compared.at
        return Report(found[:limit], until, is_whole=len(found) <= limit)

    with plainly():
        made = with_connections(look)
    if form == "json":
        click.echo(json.dumps(described_report(made)))
    elif form == "csv":
        write_csv(made, sys.stdout)
    else:
        _print(made, wanted)
    sys.exit(_OPEN_FINDINGS if made.open else 0)


@reconcile.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--reason", required=True, help="How it was settled; kept with the finding.")
@click.option("--operator", help="Who says so; without it, the user this command runs as.")
def close(number: int, reason: str, operator: str | None) -> None:
    """Close the finding of that NUMBER: it is settled, though the books may differ for good.

    It stays closed as long as both sides say the same. What PDI puts right closes by itself.
    """
    resolution = f"{operator or getpass.getuser()}: {reason}"

    async def settle(connections: Connections) -> Finding | None:
        return await PostgresFindings(connections).close(number, resolution)

    with plainly():
        if not reason.strip() or len(resolution) > MAX_WORDS or not resolution.isprintable():
            raise ValidationFailed.of("reason", f"and operator must be 1 to {MAX_WORDS} printable characters")
        closed = with_connections(settle)
    if closed is None:
        raise click.ClickException(f"No finding of number {number} is open.")
    click.echo(f"Finding {number} is closed.")


async def _pages(findings: PostgresFindings, wanted: FindingQuery, limit: int) -> list[Finding]:
    found: list[Finding] = []
    while len(found) < limit:
        page = await findings.find(msgspec.structs.replace(wanted, limit=min(_PAGE, limit - len(found))))
        found += page
        if not page:
            break
        wanted = msgspec.structs.replace(wanted, after=(page[-1].day, page[-1].number))
    return found


def _print(made: Report, wanted: FindingQuery) -> None:
    if made.findings:
        print_findings(made.findings)
    click.echo(_summary(made))
    click.echo(_reach(made.compared_until, wanted.day))


def _summary(made: Report) -> str:
    if not made.findings:
        return "No findings."
    more = "" if made.is_whole else f"; there are more than these {len(made.findings)} (see --limit)"
    return f"{len(made.findings)} findings, {made.open} of them open{more}."


def _reach(until: datetime | None, day: date | None) -> str:
    """How far the word of the report reaches: what was not compared yet has no findings either."""
    if until is None:
        return "Nothing has been compared with PDI yet."
    reach = f"Everything before {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC has been compared with PDI"
    if day is not None and until < datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1):
        return f"{reach}; {day} has not, or not to its end."
    return f"{reach}."
