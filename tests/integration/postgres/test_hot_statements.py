"""The statements of every sale stay cheap: indexed, prepared once each, and within what the driver caches."""

import re
from collections.abc import Iterator
from typing import Any, Final, LiteralString

import msgspec
import psycopg
import pytest

from loyalty_adapters.postgres import delivery_queue, sessions
from loyalty_adapters.postgres.archive_months import month_of, months_at_hand
from loyalty_adapters.postgres.archive_moves import BRING_BACK
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.delivery_queue import PostgresDeliveryQueue
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_groups import CHANGE_MANY
from loyalty_adapters.postgres.session_writes import (
    INSERT_SESSION,
    UPDATE_SESSION,
    UPDATE_SESSION_AND_RETURNS,
    Write,
    new_change_ids,
    writes_of,
)
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.unit_of_work import UnitOfWork
from tests.contracts.delivery_queue_contract import LEASE, MINUTE, SECOND
from tests.contracts.sales import a_quote, loaded, new_session, owed, settled, store_now, stored, unit

ROWS: Final = 50_000
# What psycopg keeps parsed; a statement beyond it is parsed again at every call.
CACHED_LENGTH, CACHED_PARAMETERS = 4096, 50

_GROW: Final[LiteralString] = """
INSERT INTO sessions (
    id, client_id, channel_id, transaction_id, customer_id, status, version, opening, created_at, expires_at, metadata,
    quote, intent, earned_points, redeemed_points, points_reversed, points_restored, intents, delivery_number, begun_at,
    next_attempt_at, owed_since, owed_next_at, attempts, unanswered, booked_points, closed_at
)
SELECT overlay(gen_random_uuid()::text PLACING left(id::text, 13) FROM 1 FOR 13)::uuid, client_id, channel_id,
       'T-' || n, 'C-' || n / 2,
       CASE WHEN owed THEN status ELSE 'finalized' END, version, opening, created_at, expires_at, metadata, quote,
       intent, 0, 0, 0, 0, 1, 1, begun_at + n * interval '1 ms', CASE WHEN owed THEN next_attempt_at END,
       CASE WHEN owed THEN begun_at + n * interval '1 ms' END, CASE WHEN owed THEN next_attempt_at END, 1, 0,
       CASE WHEN NOT owed THEN 0 END, CASE WHEN NOT owed THEN now() END
  FROM sessions, generate_series(1, %s) n, LATERAL (SELECT n %% 5 = 0) AS every_fifth (owed)
"""
# What goes with the sessions: the planner ignores the indexes of tables that fit a page.
_GROW_THE_REST: Final[LiteralString] = """
INSERT INTO idempotency_answers (session_id, call, body) SELECT id, 'identify', 'x' FROM sessions;
INSERT INTO customer_snapshots (customer_id, taken_at) SELECT DISTINCT customer_id, now() FROM sessions;
INSERT INTO archived_transactions SELECT channel_id, 'A-' || transaction_id, id FROM sessions;
INSERT INTO sessions_archive
    (id, client_id, channel_id, transaction_id, customer_id, status, version, opening, created_at, expires_at, metadata,
     intents, earned_points, redeemed_points, points_reversed, points_restored, closed_at)
SELECT overlay(gen_random_uuid()::text PLACING left(id::text, 13) FROM 1 FOR 13)::uuid, client_id, channel_id,
       'A-' || transaction_id, customer_id, 'cancelled', 2, opening, created_at, expires_at, metadata, 0, 0, 0, 0, 0,
       now()
  FROM sessions;
INSERT INTO session_events (session_id, version, change_id, to_status, cause)
SELECT id, 1, gen_random_uuid(), 'active', 'identified' FROM sessions ON CONFLICT DO NOTHING;
INSERT INTO session_events_archive (session_id, version, change_id, to_status, cause, at)
SELECT id, 1, gen_random_uuid(), 'active', 'identified', now() FROM sessions_archive;
INSERT INTO returns
    (session_id, return_id, position, fingerprint, share, status, created_at, delivery_number, begun_at,
     next_attempt_at, attempts, unanswered)
SELECT id, 'R-1', 1, 'e', '{}', 'accepted', now(), 2, now(), now(), 0, 0 FROM sessions;
INSERT INTO returns_archive
    (session_id, return_id, position, fingerprint, share, status, created_at, settled_at, failure, delivery_number,
     begun_at, attempts, unanswered)
SELECT id, 'R-1', 1, 'e', '{}', 'void', now(), now(), 'x', 2, now(), 0, 0 FROM sessions_archive;
"""


def _write_of(work: UnitOfWork) -> Write:
    (write,) = writes_of(work, new_change_ids(work), RowAddresses())
    return write


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.fixture
async def template(connections: Connections, operator: psycopg.AsyncConnection) -> Session:
    """One of many sessions: a fifth owed to the host, the rest settled."""
    store = PostgresSessions(connections, RowAddresses())
    now = await store_now(store)
    session = await stored(store, owed(begun_at=now - MINUTE, next_attempt_at=now - SECOND))
    await operator.execute(_GROW, (ROWS,))
    async with operator.transaction():
        await months_at_hand(operator, [month_of(session.id)])
    await operator.execute(_GROW_THE_REST)
    await operator.execute("VACUUM ANALYZE")
    return session


async def test_no_hot_statement_reads_a_whole_table(connections: Connections, template: Session) -> None:
    """On fifty thousand sessions every statement of a sale, and the claim of a worker, goes by index or address."""
    opening = _write_of(unit(None, new_session(), Cause.IDENTIFIED))
    change = _write_of(unit(template, settled(template, template.created_at), Cause.HOST_ACCEPTED))
    statements: dict[str, tuple[LiteralString, dict[str, Any]]] = {
        "find": (sessions._FIND, {"id": template.id}),
        "find, live or archived": (sessions._FIND_ANYWHERE, {"id": template.id}),
        "find_by_key": (
            sessions._FIND_BY_KEY,
            {"channel": template.channel, "transaction": template.transaction},
        ),
        "find_snapshot": (sessions._FIND_SNAPSHOT, {"customer": template.customer}),
        "insert": (INSERT_SESSION, opening.parameters),
        "update": (UPDATE_SESSION, change.parameters),
        "update with returns": (UPDATE_SESSION_AND_RETURNS, {**change.parameters, "returns": "[]"}),
        "update many": (CHANGE_MANY, {"changes": "[]", "events": "[]", "answers": "[]", "snapshots": "[]"}),
        "update at an address": (UPDATE_SESSION, {**change.parameters, "address": "(0,1)"}),
        "bring back": (BRING_BACK, {"id": template.id, "version": 2}),
        "claim": (delivery_queue._CLAIM_DUE, {"limit": 100, "lease": LEASE, "soon": SECOND}),
    }
    async with connections.intake.connection() as connection:
        for name, (statement, parameters) in statements.items():
            explained = await connection.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
            (row,) = await explained.fetchall()
            (plan,) = msgspec.json.decode(row[0])
            scans = [node for node in _nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"]
            assert (name, []) == (name, scans)


async def test_a_claim_touches_only_what_it_takes(connections: Connections, template: Session) -> None:
    """Claiming from ten thousand owed sessions reads about as many rows as it hands out, oldest first."""
    async with connections.outcome.connection() as connection, connection.transaction():
        explained = await connection.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + delivery_queue._CLAIM_DUE, {"limit": 50, "lease": LEASE, "soon": SECOND}
        )
        (row,) = await explained.fetchall()
    (plan,) = msgspec.json.decode(row[0])
    read = [node["Actual Rows"] for node in _nodes(plan["Plan"]) if node.get("Index Name") == "sessions_owed"]
    assert len(read) == 1
    assert 50 <= read[0] <= 100
    assert template.version == 2


@pytest.mark.parametrize(
    "statement",
    [
        sessions._FIND,
        sessions._FIND_ANYWHERE,
        sessions._FIND_BY_KEY,
        INSERT_SESSION,
        UPDATE_SESSION,
        CHANGE_MANY,
        delivery_queue._CLAIM_DUE,
    ],
)
def test_the_driver_caches_every_hot_statement(statement: str) -> None:
    """Each stays within the length and the number of parameters up to which the driver parses it once."""
    assert len(statement) <= CACHED_LENGTH
    assert len(set(re.findall(r"%\((\w+)\)s", statement))) <= CACHED_PARAMETERS


def test_writes_bring_no_more_parameters_than_the_driver_caches() -> None:
    """Also those that the statement does not name count."""
    session = new_session()
    for before in (None, session):
        assert len(_write_of(unit(before, session, Cause.IDENTIFIED)).parameters) <= CACHED_PARAMETERS


async def test_each_statement_is_prepared_once(connections: Connections) -> None:
    """Whatever is NULL, small or large in a session, its statements are the same prepared ones."""
    addresses = RowAddresses()
    store, queue = PostgresSessions(connections, addresses), PostgresDeliveryQueue(connections, addresses)
    now = await store_now(store)
    for number in range(12):
        plain = await stored(store, new_session(tier=None, host_session=None, occurred_at=now if number % 2 else None))
        await store.commit(unit(plain, plain.quoted(a_quote(), now), Cause.QUOTED))
        late = await stored(store, owed(begun_at=now - MINUTE, next_attempt_at=now - SECOND, last_error="x" * number))
        for claimed in await queue.claim_due(10, LEASE):
            await store.commit(unit(claimed.session, settled(claimed.session, now), Cause.HOST_ACCEPTED))
        await loaded(store, late)
    for lane in (connections.intake, connections.outcome):
        for _ in range(8):
            async with lane.connection() as connection:
                rows = await connection.execute(
                    "SELECT count(*), count(DISTINCT statement) FROM pg_prepared_statements"
                )
                (prepared, distinct) = await rows.fetchone() or (0, 0)
                assert prepared == distinct
