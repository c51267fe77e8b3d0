"""What a person reads of reconciliation, and closes, by the commands themselves, on a real database."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.findings import PostgresFindings
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.proposals import proposal
from loyalty_core.domain.session import Session
from loyalty_core.ports.reconciliation import Judged, Place, Standing
from loyalty_web.cli import main
from loyalty_web.cli.finding_views import _WORDS
from tests.contracts.reconciliation_contract import Office, a_difference

Run = Callable[..., Result]
TODAY = date(2026, 3, 2)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    addresses = RowAddresses()
    async with Connections(PostgresSettings(url=database_url)) as connections:
        store = PostgresSessions(connections, addresses)
        yield Office(PostgresReconciliation(connections, addresses), PostgresFindings(connections), store)


@pytest.fixture
def run(database_url: str) -> Run:
    """`loyalty ...` with this database, on a wide terminal."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, env={"DATABASE_URL": database_url, "COLUMNS": "300"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


async def in_thread(run: Run, *arguments: str) -> Result:
    """The command starts a loop of its own, so it needs a thread of its own."""
    return await asyncio.to_thread(run, *arguments)


async def two_findings(office: Office) -> tuple[Session, Session]:
    """One of today, one of yesterday; compared up to the noon between them."""
    doubled, changed = await office.sold(), await office.sold()
    noon = Place(datetime(2026, 3, 2, 12, tzinfo=UTC), SessionId(doubled.id))
    await office.note(doubled, a_difference(), day=TODAY)
    points = a_difference(DifferenceKind.POINTS_DIFFER, 7, note="[by hand]")
    judged = Judged(session=changed.id, day=TODAY - timedelta(days=1), differences=(points,))
    await office.work.note((judged,), Standing(compared=noon))
    return doubled, changed


async def test_nothing_was_found(office: Office, run: Run) -> None:
    """No findings is another thing than nothing compared, and the report says which of the two it is."""
    never = await in_thread(run, "reconcile", "report")
    assert (0, "No findings.\nNothing has been compared with PDI yet.\n") == (never.exit_code, never.stdout)
    empty = json.loads((await in_thread(run, "reconcile", "report", "--json")).stdout)
    assert {"comparedUntil": None, "open": 0, "isWhole": True, "findings": []} == empty
    at = datetime(2026, 3, 3, tzinfo=UTC)
    await office.work.note((), Standing(compared=Place(at, (await office.sold()).id)))
    reach = "Everything before 2026-03-03 00:00:00 UTC has been compared with PDI"
    whole = await in_thread(run, "reconcile", "report", "--day", "2026-03-02")
    assert f"No findings.\n{reach}.\n" == whole.stdout
    part = await in_thread(run, "reconcile", "report", "--day", "2026-03-03")
    assert f"No findings.\n{reach}; 2026-03-03 has not, or not to its end.\n" == part.stdout


async def test_findings_are_told_with_what_to_do(office: Office, run: Run) -> None:
    """Both sides, whose sale it is, and one sentence of advice for each kind; open ones end the command with 3."""
    doubled, changed = await two_findings(office)
    told = await in_thread(run, "reconcile", "report")
    assert 3 == told.exit_code
    for word in (
        format_session_id(doubled.id), doubled.channel, doubled.transaction, "booked more than once (doubled)",
        "accrual 450 under k:1, accrual 450 under k:1", "nothing (finalized)", "other points at PDI (points_differ)",
        "open: [by hand]", proposal(a_difference()), "2 findings, 2 of them open.",
        "Everything before 2026-03-02 12:00:00 UTC has been compared with PDI.",
    ):  # fmt: skip
        assert word in told.stdout
    one = await in_thread(run, "reconcile", "report", "--day", "2026-03-01")
    assert (True, False) == (changed.transaction in one.stdout, doubled.transaction in one.stdout)
    few = await in_thread(run, "reconcile", "report", "--limit", "1")
    assert "1 findings, 1 of them open; there are more than these 1 (see --limit)." in few.stdout


async def test_findings_are_told_to_programs(office: Office, run: Run) -> None:
    """The same as JSON and as CSV."""
    doubled, changed = await two_findings(office)
    made = json.loads((await in_thread(run, "reconcile", "report", "--json")).stdout)
    assert ("2026-03-02T12:00:00+00:00", 2, True) == (made["comparedUntil"], made["open"], made["isWhole"])
    assert [("2026-03-01", format_session_id(changed.id)), ("2026-03-02", format_session_id(doubled.id))] == [
        (it["day"], it["sessionId"]) for it in made["findings"]
    ]
    (commit,) = made["findings"][0]["pdi"]["commits"]
    assert {"kind": "accrual", "points": 7, "key": "k:1"} == commit
    assert proposal(a_difference()) == made["findings"][1]["proposal"]
    listed = await in_thread(run, "reconcile", "report", "--csv", "--day", "2026-03-02")
    (line,) = csv.DictReader(io.StringIO(listed.stdout))
    assert set(made["findings"][0]) == set(line)
    assert (doubled.transaction, "doubled", "accrual 450 under k:1, accrual 450 under k:1") == (
        line["transactionId"], line["kind"], line["pdi"]
    )  # fmt: skip


async def test_a_settled_finding_is_closed(office: Office, run: Run) -> None:
    """With who and why, and out of the list of what is open."""
    doubled, _ = await two_findings(office)
    (finding,) = await office.findings.of_session(doubled.id)
    done = await in_thread(
        run, "reconcile", "close", str(finding.number), "--reason", "PDI took one back", "--operator", "grace"
    )
    assert (0, f"Finding {finding.number} is closed.\n") == (done.exit_code, done.stdout)
    left = json.loads((await in_thread(run, "reconcile", "report", "--open", "--json")).stdout)
    assert [DifferenceKind.POINTS_DIFFER] == [it["kind"] for it in left["findings"]]
    page = await in_thread(run, "reconcile", "report", "--day", "2026-03-02")
    assert (0, True) == (page.exit_code, "by grace: PDI took one back" in page.stdout)
    again = await in_thread(run, "reconcile", "close", str(finding.number), "--reason", "once more")
    assert (1, True) == (again.exit_code, f"No finding of number {finding.number} is open." in again.stderr)
    empty = await in_thread(run, "reconcile", "close", "1", "--reason", " ")
    assert (1, True) == (empty.exit_code, "printable characters" in empty.stderr)


async def test_a_session_is_shown_with_its_findings(office: Office, run: Run) -> None:
    """For people and for programs."""
    doubled, _ = await two_findings(office)
    name = format_session_id(doubled.id)
    page = (await in_thread(run, "sessions", "show", name)).stdout
    assert "Differences from PDI" in page
    assert "booked more than once" in page
    (shown,) = json.loads((await in_thread(run, "sessions", "show", name, "--json")).stdout)
    assert [("doubled", None)] == [(it["kind"], it["resolvedAt"]) for it in shown["findings"]]


@pytest.mark.parametrize("kind", list(DifferenceKind))
def test_every_kind_has_words(kind: DifferenceKind) -> None:
    """A person is told what it is, and what to do."""
    assert _WORDS[kind]
    assert proposal(a_difference(kind)).endswith(".")
