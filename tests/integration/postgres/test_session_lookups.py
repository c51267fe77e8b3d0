"""Look-ups reach the archive, and go by index however many sessions there are."""

import json
from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from loyalty_adapters.postgres import session_directory as statements
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.session import TERMINAL, Cause, Session
from loyalty_core.ports.session_directory import SessionQuery
from tests.contracts.sales import changed, owed, settled, store_now, stored
from tests.integration.postgres.archiving import archive

ROWS = 30_000

_GROW: LiteralString = """
INSERT INTO sessions (
    id, client_id, channel_id, transaction_id, customer_id, status, version, opening, created_at, expires_at, metadata,
    quote, intent, earned_points, redeemed_points, points_reversed, points_restored, intents, delivery_number, begun_at,
    attempts, unanswered, booked_points, closed_at
)
SELECT gen_random_uuid(), CASE WHEN n %% 3 = 0 THEN client_id ELSE 'other' END, channel_id, 'T-' || n, 'C-' || n,
       status, version, opening, created_at, expires_at, metadata, quote, intent, 0, 0, 0, 0, 1, 1, begun_at, 1, 0, 0,
       closed_at + n * interval '1 ms'
  FROM sessions, generate_series(1, %s) n
"""


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
async def sale(store: PostgresSessions) -> Session:
    """A sale that the host has booked."""
    now = await store_now(store)
    begun = await stored(store, owed(begun_at=now, next_attempt_at=now))
    return await changed(store, begun, lambda session: settled(session, now), Cause.HOST_ACCEPTED)


async def test_what_was_archived_is_found(
    connections: Connections, operator: psycopg.AsyncConnection, sale: Session
) -> None:
    """By its key, among its client's ended sessions, and with its timeline; equal to what it was."""
    directory = PostgresSessionDirectory(connections)
    timeline = await directory.timeline(sale.id)
    await archive(operator, sale)
    assert (sale,) == await directory.by_transaction(sale.channel, sale.transaction)
    query = SessionQuery(client=sale.client, channels=("*",))
    assert (sale,) == await directory.closed(query)
    assert 2 == len(timeline)
    assert timeline == await directory.timeline(sale.id)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def test_no_look_up_reads_a_whole_table(
    connections: Connections, operator: psycopg.AsyncConnection, sale: Session
) -> None:
    """Of thirty thousand sessions each statement reads about as many as it gives."""
    await operator.execute(_GROW, (ROWS,))
    await operator.execute("VACUUM ANALYZE")
    lookups: dict[str, tuple[LiteralString, dict[str, Any]]] = {
        "parked": (statements._PARKED + statements._SESSIONS, {"limit": 100}),
        "owed": (statements._OWED + statements._SESSIONS, {"limit": 100}),
        "by transaction": (
            statements._BY_TRANSACTION + statements._SESSIONS,
            {"channel": sale.channel, "transaction": sale.transaction, "limit": 100},
        ),
        "closed": (
            statements._CLOSED + statements._SESSIONS,
            {
                "client": sale.client,
                "channels": [],
                "prefixes": [""],
                "statuses": sorted(TERMINAL),
                "since": sale.created_at,
                "after_at": sale.closed_at,
                "after_id": UUID(int=0),
                "limit": 100,
            },
        ),
        "timeline": (statements._TIMELINE, {"id": sale.id}),
    }
    async with connections.intake.connection() as connection:
        for name, (statement, parameters) in lookups.items():
            explained = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            (row,) = await explained.fetchall()
            (plan,) = json.loads(row[0])
            nodes = list(_nodes(plan["Plan"]))
            whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "sessions"]
            assert (name, []) == (name, whole)
            read = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes if "Index Name" in node)
            assert read < 1_000, (name, read)
