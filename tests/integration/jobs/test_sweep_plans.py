"""The jobs' statements go by index and by address, on statistics and without."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

import msgspec
import psycopg
import pytest

from loyalty_adapters.postgres import answer_records, session_sweep
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.sessions import PostgresSessions
from tests.integration.jobs.sessions import expired_sessions

ROWS: Final = 20_000
LIMIT: Final = 250


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.fixture
async def crowded(operator: psycopg.AsyncConnection, store: PostgresSessions) -> None:
    """Half of many sessions have expired; all have an answer, half of those are old."""
    await expired_sessions(operator, store, ROWS // 2)
    await expired_sessions(operator, store, ROWS // 2, ago=-timedelta(hours=1))
    await operator.execute(
        "INSERT INTO idempotency_answers (session_id, call, body, created_at)"
        " SELECT id, 'identify', 'x', now() - CASE WHEN open_until < now() THEN interval '1 h' ELSE '0' END"
        "  FROM sessions"
    )


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("analyzed", [True, False])
async def test_a_batch_reads_what_it_takes_and_no_more(
    connections: Connections, operator: psycopg.AsyncConnection, *, analyzed: bool
) -> None:
    """Twenty thousand rows, and a batch looks at its own: through the index, then each at its address."""
    await operator.execute("VACUUM ANALYZE" if analyzed else "VACUUM")
    now = datetime.now(UTC)
    statements: dict[str, tuple[LiteralString, dict[str, Any]]] = {
        "sessions_open_until": (session_sweep._EXPIRE, {"before": now, "limit": LIMIT, "trace_id": None}),
        "idempotency_answers_created": (
            answer_records._CLEAR,
            {"before": now - timedelta(minutes=10), "limit": LIMIT},
        ),
    }
    for index, (statement, parameters) in statements.items():
        async with connections.intake.connection() as connection, connection.transaction():
            explained = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            (row,) = await explained.fetchall()
        (plan,) = msgspec.json.decode(row[0])
        nodes = list(_nodes(plan["Plan"]))
        assert [] == [node for node in nodes if node["Node Type"] == "Seq Scan"]
        assert [LIMIT] == [node["Actual Rows"] for node in nodes if node.get("Index Name") == index]
        assert [LIMIT] == [node["Actual Rows"] for node in nodes if node["Node Type"] == "Tid Scan"]
