"""Steps are found by index however many there are, and none slips in behind a run."""

import json
from collections.abc import Iterator
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg

from loyalty_adapters.postgres import reconciliation as statements
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_core.domain.difference import TOUCHES_THE_BOOKS
from loyalty_core.ports.reconciliation import Place
from tests.contracts.reconciliation_contract import DAY, Office
from tests.integration.postgres.archiving import archive
from tests.integration.postgres.observing import eventually
from tests.integration.reconciliation.desk import Desk

ROWS: Final = 20_000
_GROW: Final[LiteralString] = """
INSERT INTO sessions (
    id, client_id, channel_id, transaction_id, customer_id, status, version, opening, created_at, expires_at, metadata,
    quote, intent, earned_points, redeemed_points, points_reversed, points_restored, intents, delivery_number, begun_at,
    attempts, unanswered, booked_points, closed_at
)
SELECT gen_random_uuid(), client_id, channel_id, 'TX-' || n, 'C-' || n, 'finalized', 4, opening, created_at, expires_at,
       metadata, quote, intent, 0, 0, 0, 0, 1, 1, now(), 1, 0, 0, now()
  FROM sessions, generate_series(1, %s) n;
"""
_GROW_THE_REST: Final[LiteralString] = """
INSERT INTO session_events (session_id, version, change_id, from_status, to_status, cause, at)
SELECT id, version, gen_random_uuid(), 'finalizing', 'finalized', cause, now() - n * interval '1 s'
  FROM (SELECT id, row_number() OVER () AS n FROM sessions) AS session,
       (VALUES (11, 'quoted'), (12, 'finalize_intended'), (13, 'attempt_begun'), (14, 'host_accepted'))
       AS change (version, cause);
INSERT INTO reconciliation_findings (session_id, kind, item, day, ours, theirs, checked_at, resolved_at)
SELECT id, 'doubled', 'sale', '2026-03-01', '{}', '{}', now() - interval '1 day', CASE WHEN n % 20 > 0 THEN now() END
  FROM (SELECT id, row_number() OVER () AS n FROM sessions) AS session;
"""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def test_no_page_reads_more_than_it_gives(
    connections: Connections, operator: psycopg.AsyncConnection, desk: Desk
) -> None:
    """Of twenty thousand sessions, some of them archived, a page of a hundred takes a few hundred rows by index."""
    sale, archived = await desk.sold("T-1"), await desk.sold("T-2")
    await archive(operator, archived)
    await operator.execute(_GROW, (ROWS,))
    await operator.execute(_GROW_THE_REST)
    await operator.execute("VACUUM ANALYZE")
    until = await desk.tomorrow()
    page = {"after_at": sale.created_at - DAY, "after_id": UUID(int=0), "until": until, "limit": 100}
    left_open = {"after": UUID(int=0), "owed_before": until, "checked_before": until, "limit": 100}
    pages: dict[str, tuple[LiteralString, dict[str, Any], int]] = {
        "steps": (statements._STEPS + statements._SESSIONS, page, 2_000),
        "left open": (statements._LEFT_OPEN + statements._SESSIONS, left_open, 1_000),
    }
    async with connections.intake.connection() as connection:
        for name, (statement, parameters, most) in pages.items():
            explained = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            (row,) = await explained.fetchall()
            (plan,) = json.loads(row[0])
            nodes = list(_nodes(plan["Plan"]))
            tables = {"sessions", "session_events", "reconciliation_findings"}
            whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables]
            assert (name, []) == (name, whole)
            read = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes if "Index Name" in node)
            assert read < most, (name, read)
            assert 100 == plan["Plan"]["Actual Rows"]


async def test_the_indexes_are_built_on_what_touches_the_books(operator: psycopg.AsyncConnection) -> None:
    """The words of the code, in both indexes and in the statements that look for them."""
    found = await operator.execute(
        "SELECT indexdef FROM pg_indexes WHERE indexname IN ('session_events_steps', 'session_events_archive_steps')"
    )
    definitions = [definition for (definition,) in await found.fetchall()]
    assert 2 == len(definitions)
    for text in (*definitions, *statements._STEPS.split("UNION ALL")):
        assert all(f"'{cause.value}'" in text for cause in TOUCHES_THE_BOOKS)
        assert {cause.value for cause in TOUCHES_THE_BOOKS} == {
            word for word in text.split("'")[1::2] if word.replace("_", "").isalpha()
        }


async def test_what_is_still_being_written_holds_the_horizon_back(
    connections: Connections, operator: psycopg.AsyncConnection, database_url: str, desk: Desk
) -> None:
    """A step carries the time at which its transaction began; no run goes past one that has not ended."""
    work = PostgresReconciliation(connections, RowAddresses())
    sale = await desk.sold("T-1")
    async with operator.transaction():
        await operator.execute(
            "INSERT INTO session_events (session_id, version, change_id, to_status, cause)"
            " VALUES (%s, 99, gen_random_uuid(), 'finalized', 'return_intended')",
            (sale.id,),
        )
        (began,) = await (await operator.execute("SELECT now()")).fetchone() or (None,)
        later = await desk.sold("T-2")
        await eventually(lambda: _has_reached(work, began))
        assert began == await work.horizon()
        before = await work.steps(None, await work.horizon(), 10)
        assert sale.id in {step.loaded.session.id for step in before.steps}
        assert later.id not in {step.loaded.session.id for step in before.steps}
    assert before.last is not None
    until = await desk.tomorrow()
    after = await work.steps(Place(began, UUID(int=0)), until, 10)  # type: ignore[arg-type]  # the least id
    assert {sale.id, later.id} == {step.loaded.session.id for step in after.steps}
    async with await psycopg.AsyncConnection.connect(database_url) as reader:
        (opened,) = await (await reader.execute("SELECT now()")).fetchone() or (None,)
        await eventually(lambda: _has_passed(work, opened))


async def _has_reached(work: PostgresReconciliation, moment: Any) -> bool:
    return bool(await work.horizon() >= moment)


async def _has_passed(work: PostgresReconciliation, moment: Any) -> bool:
    return bool(await work.horizon() > moment)


async def test_a_session_that_is_gone_leaves_its_place_behind(
    connections: Connections, operator: psycopg.AsyncConnection, desk: Desk
) -> None:
    """As where a month of the archive was taken out of the database before its timeline."""
    work = PostgresReconciliation(connections, RowAddresses())
    office = Office(work, desk.findings, desk.store)
    gone, kept = await office.sold(), await office.sold()
    await operator.execute("DELETE FROM sessions WHERE id = %s", (gone.id,))
    until = await desk.tomorrow()
    page = await work.steps(None, until, 1)
    assert ((), gone.id, False) == (page.steps, page.last and page.last.session, page.is_last)
    page = await work.steps(page.last, until, 2)
    assert ([kept.id], True) == ([step.loaded.session.id for step in page.steps], page.is_last)
