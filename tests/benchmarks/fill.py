"""Fills the database with sales that were settled long ago: copies of one that the service has made."""

from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

_TEMPLATE: Final[LiteralString] = "SELECT id FROM sessions WHERE status = 'finalized' ORDER BY closed_at LIMIT 1"
_COLUMNS: Final[LiteralString] = """
SELECT column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
"""
_BATCH: Final = 50_000
_DAYS: Final = 25
"""Younger than what is archived, and spread out."""
_TABLES: Final = {"sessions": "id", "session_events": "session_id", "idempotency_answers": "session_id"}


async def fill(database_url: str, already: int, wanted: int) -> None:
    """Settle `wanted` sales altogether, of which `already` are there; then let the planner know of them."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        found = await (await connection.execute(_TEMPLATE)).fetchone()
        assert found is not None, "no sale has been settled that could be copied"
        await connection.execute("SET synchronous_commit = off")
        for first in range(already, wanted, _BATCH):
            await _batch(connection, found[0], first, min(_BATCH, wanted - first))
        await connection.execute("VACUUM (ANALYZE) sessions")
        await connection.execute("VACUUM (ANALYZE) session_events")
        await connection.execute("VACUUM (ANALYZE) idempotency_answers")
        await connection.execute("CHECKPOINT")


async def _batch(connection: psycopg.AsyncConnection[Any], template: Any, first: int, count: int) -> None:
    async with connection.transaction():
        await connection.execute(
            "CREATE TEMPORARY TABLE copies ON COMMIT DROP AS "
            "SELECT gen_random_uuid() AS id, number, random() * %s * interval '1 day' AS age "
            "FROM generate_series(%s::int8, %s::int8) AS number",
            [_DAYS, first, first + count - 1],
            prepare=False,
        )
        for table, key in _TABLES.items():
            names = [row[0] for row in await (await connection.execute(_COLUMNS, [table])).fetchall()]
            statement = sql.SQL(
                "INSERT INTO {table} ({names}) SELECT {values} FROM copies, {table} AS row WHERE row.{key} = %s"
            ).format(
                table=sql.Identifier(table),
                names=sql.SQL(", ").join(map(sql.Identifier, names)),
                values=sql.SQL(", ").join(_value(name, key) for name in names),
                key=sql.Identifier(key),
            )
            await connection.execute(statement, [template], prepare=False)


def _value(column: str, key: str) -> sql.Composable:
    if column == key:
        return sql.SQL("copies.id")
    if column == "transaction_id":
        return sql.SQL("'FILL-' || copies.number")
    if column == "customer_id":
        return sql.SQL("'LOAD-' || mod(copies.number, 100000)")
    if column in {"created_at", "expires_at", "finalized_at", "closed_at", "begun_at", "at"}:
        return sql.SQL("row.{} - copies.age").format(sql.Identifier(column))
    return sql.SQL("row.{}").format(sql.Identifier(column))
