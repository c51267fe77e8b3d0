"""A batch of the archive job costs what it moves, however large the tables are and however much was moved before it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest

from loyalty_adapters.postgres import session_archive
from loyalty_adapters.postgres.archive_moves import PUT_AWAY
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from tests.benchmarks.seed import seed
from tests.integration.postgres.archive_books import LONG_AFTER

SESSIONS = 20_000
LONG_AGO = session_archive._LONG_AGO


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def _explained(
    connections: Connections, statement: LiteralString, parameters: dict[str, Any], options: str = "FORMAT JSON"
) -> dict[str, Any]:
    """The plan's root, made as the service makes its plans."""
    async with connections.intake.connection() as connection:
        explain = f"EXPLAIN ({options}) {statement}".encode()
        (row,) = await (await connection.execute(explain, parameters)).fetchall()
    (plan,) = msgspec.json.decode(row[0])
    return dict(plan["Plan"])


@pytest.fixture
async def now(database_url: str, operator: psycopg.AsyncConnection) -> datetime:
    """Long after twenty thousand sales, most of which have ended."""
    await seed(database_url, SESSIONS, tell=lambda _: None)
    (at,) = await (await operator.execute("SELECT now()")).fetchone() or (None,)
    assert isinstance(at, datetime)
    return at + LONG_AFTER


async def test_no_statement_of_the_job_reads_a_whole_table(
    connections: Connections, operator: psycopg.AsyncConnection, now: datetime
) -> None:
    """Looking for the next, counting and moving go by index or address in every table."""
    rows = await (await operator.execute("SELECT id FROM sessions LIMIT 500")).fetchall()
    statements: dict[str, tuple[LiteralString, dict[str, Any]]] = {
        "next": (session_archive._NEXT, {"after": LONG_AGO, "before": now, "limit": 500}),
        "count": (session_archive._COUNT, {"after": LONG_AGO, "before": now, "page": 5000}),
        "move": (PUT_AWAY, {"ids": [session for (session,) in rows], "before": now}),
    }
    for name, (statement, parameters) in statements.items():
        plan = await _explained(connections, statement, parameters)
        assert (name, []) == (name, [node for node in _nodes(plan) if node["Node Type"] == "Seq Scan"])


async def test_a_batch_does_not_look_at_what_was_moved_before_it(
    connections: Connections, database_url: str, now: datetime
) -> None:
    """While an old snapshot keeps dead entries in the index, going on from the last batch costs no more for them."""
    archive = PostgresSessionArchive(connections)
    async with await psycopg.AsyncConnection.connect(database_url) as reader:
        await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await reader.execute("SELECT count(*) FROM api_keys")  # from here on no vacuum may clear anything away
        last = None
        for _ in range(10):
            last = (await archive.move(now, 1000, last)).last
        read = {}
        for name, after in (("on", last), ("again", LONG_AGO)):
            bounds = {"after": after, "before": now, "limit": 1000}
            options = "ANALYZE, BUFFERS, FORMAT JSON"
            plan = await _explained(connections, session_archive._NEXT, bounds, options)
            read[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert read["on"] * 4 < read["again"]
