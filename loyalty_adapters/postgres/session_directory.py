from datetime import UTC, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.session_rows import SessionRow
from loyalty_core.domain.identifiers import ChannelId, SessionId, TransactionId
from loyalty_core.domain.session import TERMINAL, Session, SessionStatus
from loyalty_core.ports.session_directory import SessionQuery, TimelineEntry

# The end of every statement but the timeline's: what comes before it has found a few ids by an index of its own.
_SESSIONS: Final[LiteralString] = """
SELECT s.id, s.client_id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.opening, s.tier,
       s.created_at, s.expires_at, s.occurred_at, s.metadata, s.host_session, s.quote, s.intent, s.redeemed_points,
       s.points_reversed, s.points_restored, s.booked_points, s.new_balance, s.intents, s.delivery_number, s.begun_at,
       s.next_attempt_at, s.attempts, s.unanswered, s.sent_at, s.accepted_at, s.claimed_until, s.last_error,
       s.parked_at, s.finalized_at, s.failure, s.deleted_at, s.closed_at, s.returns, s.archived
  FROM found JOIN session_rows s ON s.id = found.id
 ORDER BY found.place
"""
_PARKED: Final[LiteralString] = """
WITH found AS (
    SELECT id, row_number() OVER (ORDER BY owed_parked_at, id) AS place
      FROM sessions WHERE owed_parked_at IS NOT NULL
     ORDER BY owed_parked_at, id LIMIT %(limit)s::int8
)
"""
_OWED: Final[LiteralString] = """
WITH found AS (
    SELECT id, row_number() OVER (ORDER BY owed_since, id) AS place
      FROM sessions WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL
     ORDER BY owed_since, id LIMIT %(limit)s::int8
)
"""
_BY_TRANSACTION: Final[LiteralString] = """
WITH found AS (
    SELECT id, row_number() OVER (ORDER BY created_at DESC, id DESC) AS place
      FROM (
        SELECT id, created_at FROM sessions
         WHERE channel_id = %(channel)s::text AND transaction_id = %(transaction)s::text AND holds_key
         UNION ALL
        SELECT id, created_at FROM sessions
         WHERE channel_id = %(channel)s::text AND transaction_id = %(transaction)s::text AND NOT holds_key
         UNION ALL
        SELECT id, created_at FROM sessions_archive
         WHERE channel_id = %(channel)s::text AND transaction_id = %(transaction)s::text
      ) AS held
     ORDER BY created_at DESC, id DESC LIMIT %(limit)s::int8
)
"""
# Each status is read in the order of its own index, no further than a page; then the pages are merged.
_CLOSED: Final[LiteralString] = """
WITH found AS (
    SELECT id, row_number() OVER (ORDER BY closed_at, id) AS place
      FROM unnest(%(statuses)s::text[]) AS wanted (status), LATERAL (
        (SELECT id, closed_at FROM sessions
          WHERE client_id = %(client)s::text AND closed_status = wanted.status AND closed_at IS NOT NULL
            AND closed_at >= %(since)s::timestamptz
            AND (closed_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
            AND (channel_id = ANY(%(channels)s::text[])
                 OR EXISTS (SELECT FROM unnest(%(prefixes)s::text[]) p WHERE starts_with(channel_id, p)))
          ORDER BY closed_at, id LIMIT %(limit)s::int8)
        UNION ALL
        (SELECT id, closed_at FROM sessions_archive
          WHERE client_id = %(client)s::text AND status = wanted.status
            AND closed_at >= %(since)s::timestamptz
            AND (closed_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
            AND (channel_id = ANY(%(channels)s::text[])
                 OR EXISTS (SELECT FROM unnest(%(prefixes)s::text[]) p WHERE starts_with(channel_id, p)))
          ORDER BY closed_at, id LIMIT %(limit)s::int8)
      ) AS ended
     ORDER BY closed_at, id LIMIT %(limit)s::int8
)
"""
_TIMELINE: Final[LiteralString] = """
SELECT version, from_status, to_status, cause, detail, trace_id, at
  FROM (SELECT * FROM session_events UNION ALL SELECT * FROM session_events_archive) AS event
 WHERE session_id = %(id)s::uuid
 ORDER BY version
"""
_MOST: Final = 100
_LONG_AGO: Final = datetime(1, 1, 2, tzinfo=UTC)
_NOBODY: Final = UUID(int=0)


class PostgresSessionDirectory:
    """The `SessionDirectory` port on PostgreSQL: each look-up one statement, through an index."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def parked(self, limit: int) -> tuple[Session, ...]:
        """See `SessionDirectory.parked`."""
        return await self._sessions(_PARKED, {"limit": limit})

    async def owed(self, limit: int) -> tuple[Session, ...]:
        """See `SessionDirectory.owed`."""
        return await self._sessions(_OWED, {"limit": limit})

    async def by_transaction(self, channel: ChannelId, transaction: TransactionId) -> tuple[Session, ...]:
        """See `SessionDirectory.by_transaction`."""
        return await self._sessions(_BY_TRANSACTION, {"channel": channel, "transaction": transaction, "limit": _MOST})

    async def timeline(self, session_id: SessionId) -> tuple[TimelineEntry, ...]:
        """See `SessionDirectory.timeline`."""
        rows = await read(self._connections.intake, _TIMELINE, {"id": session_id})
        return tuple(
            TimelineEntry(
                version=version,
                before=None if before is None else SessionStatus(before),
                after=SessionStatus(after),
                cause=cause,
                detail=detail,
                trace_id=trace_id,
                at=at,
            )
            for version, before, after, cause, detail, trace_id, at in rows
        )

    async def closed(self, query: SessionQuery) -> tuple[Session, ...]:
        """See `SessionDirectory.closed`."""
        after_at, after_id = query.after or (_LONG_AGO, _NOBODY)
        return await self._sessions(
            _CLOSED,
            {
                "client": query.client,
                "channels": [name for name in query.channels if not name.endswith("*")],
                "prefixes": [name[:-1] for name in query.channels if name.endswith("*")],
                "statuses": sorted(query.statuses or TERMINAL),
                "since": query.settled_since or _LONG_AGO,
                "after_at": after_at,
                "after_id": after_id,
                "limit": query.limit,
            },
        )

    async def _sessions(self, found: LiteralString, parameters: dict[str, Any]) -> tuple[Session, ...]:
        rows = await read(self._connections.intake, found + _SESSIONS, parameters)
        return tuple(SessionRow._make(row).session() for row in rows)
