"""Copies models of sales inside the database, whatever columns their tables have."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, LiteralString, Self
from uuid import UUID

from psycopg import AsyncConnection, sql

# In the order of their times, as they would have been written; an id begins with its time.
_PLAN: Final[LiteralString] = """
CREATE TEMP TABLE plan AS
SELECT (substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7' || substr(gen_random_uuid()::text, 16))::uuid AS id,
       model, at, at - was AS shift, 'POS-' || lpad(till::text, 3, '0') AS channel, 'chain-' || till %% 3 AS client,
       'T-' || to_char(at, 'YYYYMMDD') || '-' || nextval('seed_numbers') AS transaction,
       'CUST-' || (random() * 200000)::int AS customer
  FROM (SELECT s.id AS model, s.created_at AS was,
               date_trunc('milliseconds', %(begins)s + random() * (%(ends)s - %(begins)s)) AS at,
               1 + (random() * 199)::int AS till
          FROM unnest(%(models)s::uuid[], %(times)s::int[]) AS wanted (id, times)
          JOIN seed_sessions s ON s.id = wanted.id, generate_series(1, wanted.times)
         ORDER BY 3) AS sale,
       LATERAL (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0')) AS id (hex);
"""
_COLUMNS: Final[LiteralString] = """
SELECT attname::text, atttypid = 'timestamptz'::regtype FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_COPY: Final = sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM plan JOIN {aside} m ON m.{key} = model")
_SNAPSHOTS: Final[LiteralString] = """
INSERT INTO customer_snapshots (customer_id, tier, name, points, taken_at)
SELECT DISTINCT ON (customer) customer, 'Gold', 'Ada Lovelace', 1200, at FROM plan ORDER BY customer, at DESC
    ON CONFLICT DO NOTHING
"""

# What is a copy's own; a time is as long after the copy's as it was after the model's, everything else is the model's.
_OWN: Final[Mapping[str, Mapping[str, LiteralString]]] = {
    "sessions": {
        "id": "plan.id",
        "client_id": "client",
        "channel_id": "channel",
        "transaction_id": "transaction",
        "customer_id": "customer",
        "host_session": "'PDI-' || plan.id",
    },
    "session_events": {
        "session_id": "plan.id",
        "change_id": "gen_random_uuid()",
        "at": "plan.at + CASE m.cause WHEN 'expired' THEN interval '24 h' ELSE (m.version - 1) * interval '9 s' END",
    },
    "returns": {"session_id": "plan.id"},
    "idempotency_answers": {
        "session_id": "plan.id",
        "body": "convert_to(replace(convert_from(m.body, 'UTF8'), replace(model::text, '-', ''),"
        " replace(plan.id::text, '-', '')), 'UTF8')",
        "created_at": "plan.at + interval '27 s'",
    },
}


class Copies:
    """Copies what has been set aside as `seed_<table>`, on one connection; `seed_numbers` makes their keys unique."""

    def __init__(self, connection: AsyncConnection, statements: list[sql.Composed]) -> None:
        self._connection = connection
        self._statements = statements

    @classmethod
    async def on(cls, connection: AsyncConnection) -> Self:
        """One for this database's columns."""
        await connection.execute("SET timezone TO 'UTC'; SET synchronous_commit TO off; SET work_mem TO '256MB'")
        return cls(connection, [await _statement(connection, table, own) for table, own in _OWN.items()])

    async def of(self, models: list[tuple[UUID, int]], begins: datetime, ends: datetime) -> None:
        """Copy each model so often, spread evenly between the two times."""
        ids, times = zip(*models, strict=True)
        plan = {"models": list(ids), "times": list(times), "begins": begins, "ends": ends}
        async with self._connection.transaction():
            await self._connection.execute(_PLAN, plan)
            for statement in self._statements:
                await self._connection.execute(statement)
            await self._connection.execute(_SNAPSHOTS)
            await self._connection.execute("DROP TABLE plan")


async def _statement(connection: AsyncConnection, table: str, own: Mapping[str, LiteralString]) -> sql.Composed:
    columns = await (await connection.execute(_COLUMNS, (table,))).fetchall()
    values = [
        sql.SQL(own[name])
        if name in own
        else sql.SQL("m.{} + shift" if is_time else "m.{}").format(sql.Identifier(name))
        for name, is_time in columns
    ]
    return _COPY.format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
        values=sql.SQL(", ").join(values),
        aside=sql.Identifier(f"seed_{table}"),
        key=sql.Identifier("id" if table == "sessions" else "session_id"),
    )
