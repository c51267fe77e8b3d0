"""What is in the live tables and in the archive, compared as an auditor would: every row, and every row once."""

from datetime import timedelta
from typing import Final, LiteralString, NamedTuple

import psycopg

from loyalty_adapters.postgres.connections import Connections, StatementSeam
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.use_cases.archive_sessions import ArchiveSessions

LONG_AFTER: Final = timedelta(days=200)
"""So long after its sales were made, all that have ended have ended long ago."""

_EVERY_ROW: Final[LiteralString] = """
SELECT coalesce(string_agg(line, '|' ORDER BY line COLLATE "C"), '') FROM (
    SELECT 'session ' || md5(row_to_json(s)::text) AS line FROM (
        SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at,
               expires_at, occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed,
               points_restored, booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at,
               attempts, unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at, finalized_at, failure,
               deleted_at, closed_at, returns
          FROM session_rows
    ) AS s
    UNION ALL
    SELECT 'event ' || md5(e::text) FROM session_events e
    UNION ALL
    SELECT 'event ' || md5((e.session_id, e.version, e.change_id, e.from_status, e.to_status, e.cause, e.detail,
                            e.trace_id, e.at)::text) FROM session_events_archive e
    UNION ALL
    SELECT 'key ' || channel_id || ' ' || transaction_id || ' ' || id FROM sessions WHERE holds_key
    UNION ALL
    SELECT 'key ' || channel_id || ' ' || transaction_id || ' ' || session_id FROM archived_transactions
) AS everything
"""
# Children that are not where their session is, and archived sessions in both places.
_ASTRAY: Final[LiteralString] = """
SELECT (SELECT count(*) FROM sessions JOIN sessions_archive USING (id))
     + (SELECT count(*) FROM session_events WHERE session_id NOT IN (SELECT id FROM sessions))
     + (SELECT count(*) FROM session_events_archive WHERE session_id NOT IN (SELECT id FROM sessions_archive))
     + (SELECT count(*) FROM returns WHERE session_id NOT IN (SELECT id FROM sessions))
     + (SELECT count(*) FROM returns_archive WHERE session_id NOT IN (SELECT id FROM sessions_archive))
     + (SELECT count(*) FROM archived_transactions WHERE session_id NOT IN (SELECT id FROM sessions_archive))
"""
_PLACES: Final[LiteralString] = """
SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM sessions_archive),
       (SELECT count(*) FROM sessions WHERE closed_at IS NOT NULL AND owed_since IS NULL)
"""


class Places(NamedTuple):
    """How many sessions are where, and how many could still be moved."""

    live: int
    archived: int
    movable: int


async def every_row(operator: psycopg.AsyncConnection) -> str:
    """All there is, wherever it is: sessions with their returns, timelines, held keys."""
    (rows,) = await (await operator.execute(_EVERY_ROW)).fetchone() or ("",)
    return str(rows)


async def astray(operator: psycopg.AsyncConnection) -> int:
    """Rows that are in two places, or apart from their session."""
    (rows,) = await (await operator.execute(_ASTRAY)).fetchone() or (-1,)
    return int(rows)


async def places(operator: psycopg.AsyncConnection) -> Places:
    """Where the sessions are."""
    return Places._make(await (await operator.execute(_PLACES)).fetchone() or (-1, -1, -1))


async def archive_all(url: str, limit: int, around: StatementSeam | None = None) -> int:
    """Run the job over everything that has ended, however lately, in batches of `limit`; the sessions it moved."""
    settings = PostgresSettings(url=url, intake_connections=1, outcome_connections=1, acquire_timeout=10.0)
    async with Connections(settings) if around is None else Connections(settings, around) as connections:
        async with connections.intake.connection() as connection:
            (now,) = await (await connection.execute("SELECT statement_timestamp()")).fetchone() or (None,)
        assert now is not None
        job = ArchiveSessions(PostgresSessionArchive(connections))
        moved = 0
        while True:
            batch = await job(now + LONG_AFTER, limit)
            moved += batch.counts["archived"]
            if batch.done:
                return moved
