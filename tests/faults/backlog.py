"""A backlog as an outage of any length leaves it: one queued session made by the service, and any number like it."""

from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from tests.faults.stack import Stack, until
from tests.faults.subject import replica_in_touch

_COLUMNS: Final[LiteralString] = """
SELECT column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
"""
_LIKE: Final[LiteralString] = """
CREATE TEMPORARY TABLE clones ON COMMIT DROP AS
SELECT gen_random_uuid() AS id, number FROM generate_series(1, %s) AS number
"""
_STATISTICS_BY_HAND: Final[LiteralString] = "ALTER TABLE sessions SET (autovacuum_enabled = false)"
_BATCH: Final = 20_000
_UNTIL_OPEN: Final = 6


async def queue_sessions(stack: Stack, count: int, *, customers: int, prefix: str, noticed: bool = True) -> None:
    """Owe PDI `count` more sales, each of them everything: its customer identified and the sale booked.

    The workers have to be paused. Transactions are `<prefix>-<n>`, customers PDI's `LOAD-<n>`, all due at once. Unless
    `noticed`, the planner's statistics are those from before, as they are for a while when an outage begins.
    """
    await _clone_all(stack, await _queued(stack, f"{prefix}-0"), count - 1, customers, prefix, noticed=noticed)


async def settle_sessions(stack: Stack, count: int, *, prefix: str) -> None:
    """Fill the table with sales that were settled long ago, of which PDI knows the first alone."""
    async with stack.till() as till:
        replica = await replica_in_touch(stack, till)
        session = (await till.identify(f"{prefix}-0", "LOAD-0", at=replica)).json["sessionId"]
        assert 200 == (await till.finalize(session, f"{prefix}-0", 150.0, at=replica)).status
    await _clone_all(stack, session, count - 1, count, prefix, noticed=True)


async def _clone_all(stack: Stack, template: str, count: int, customers: int, prefix: str, *, noticed: bool) -> None:
    async with await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as connection:
        await connection.execute(_STATISTICS_BY_HAND)
        for first in range(0, count, _BATCH):
            async with connection.transaction():
                await _clone(connection, template, first, min(_BATCH, count - first), customers, prefix)
        if noticed:
            await connection.execute("ANALYZE sessions")


async def _queued(stack: Stack, transaction: str) -> str:
    """One sale that was made while PDI was away from its very beginning; its id."""
    async with stack.till() as till:
        replica = await replica_in_touch(stack, till)
        await stack.pdi.faults("http_503")

        async def cut_off() -> bool:
            heard = await till.identify(f"CUT-{transaction}-{len(cuts)}", "LOAD-0", at=replica)
            cuts.append(heard)
            return heard.json["provisional"] is True and len(cuts) >= _UNTIL_OPEN

        cuts: list[Any] = []
        await until(cut_off, "the circuit is open", 10)
        identified = await till.identify(transaction, "LOAD-0", at=replica)
        session = identified.json["sessionId"]
        await till.calculate(session, 150.0, at=replica)
        finalized = await till.finalize(session, transaction, 150.0, at=replica)
        assert 202 == finalized.status
        await stack.pdi.put_faults([])
    return str(session)


async def _clone(
    connection: psycopg.AsyncConnection, template: str, first: int, count: int, customers: int, prefix: str
) -> None:
    await connection.execute(_LIKE, [count])
    number = sql.SQL("(clones.number + {})").format(sql.Literal(first))
    later = "row.{} + {} * interval '1 microsecond'"
    due = "row.{} - interval '1 minute'"
    sessions: dict[str, sql.Composable] = {
        "id": sql.SQL("clones.id"),
        "transaction_id": sql.SQL("{} || {}::text").format(sql.Literal(f"{prefix}-"), number),
        "customer_id": sql.SQL("'LOAD-' || mod({}, {})::text").format(number, sql.Literal(customers)),
        **{name: sql.SQL(later).format(sql.Identifier(name), number) for name in ("begun_at", "owed_since")},
        **{name: sql.SQL(due).format(sql.Identifier(name)) for name in ("next_attempt_at", "owed_next_at")},
    }
    identity = template.removeprefix("sess_")
    await _copy(connection, "sessions", "id", sessions, identity)
    for table in ("session_events", "idempotency_answers"):
        await _copy(connection, table, "session_id", {"session_id": sql.SQL("clones.id")}, identity)


async def _copy(
    connection: psycopg.AsyncConnection, table: str, key: str, changed: dict[str, sql.Composable], template: str
) -> None:
    """Insert the template's rows of a table once for each clone."""
    names = [row[0] for row in await (await connection.execute(_COLUMNS, [table])).fetchall()]
    values = [changed.get(name, sql.SQL("row.{}").format(sql.Identifier(name))) for name in names]
    statement = sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {values} FROM clones, {table} AS row WHERE row.{key} = %s"
    )
    await connection.execute(
        statement.format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            values=sql.SQL(", ").join(values),
            key=sql.Identifier(key),
        ),
        [template],
    )
