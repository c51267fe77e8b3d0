"""What our own database says of the sales, read past the service."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString, NamedTuple

import psycopg

from loyalty_core.domain.identifiers import SessionId, format_session_id

_SESSIONS: Final[LiteralString] = """
SELECT s.id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.intents, s.booked_points,
       s.redeemed_points, s.points_reversed, s.points_restored, s.failure, s.unanswered, s.parked_at IS NOT NULL,
       coalesce(extract(epoch FROM s.begun_at), 0)::float8,
       (SELECT array_agg(ARRAY[e.cause, e.to_status] ORDER BY e.version)
          FROM session_events e WHERE e.session_id = s.id)
  FROM sessions s
 WHERE %(transactions)s::text[] IS NULL OR s.transaction_id = ANY(%(transactions)s::text[])
 ORDER BY s.id
"""
_OWED: Final[LiteralString] = "SELECT count(*) FROM sessions WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL"


class SessionRow(NamedTuple):
    """One session as stored, with the causes of its timeline."""

    id: str
    channel: str
    transaction: str
    customer: str
    status: str
    version: int
    intents: int
    booked_points: int | None
    redeemed_points: int
    points_reversed: int
    points_restored: int
    failure: str | None
    unanswered: int | None
    parked: bool
    intended_at: float
    """When its sale was intended, in seconds of the database's clock; 0 where it was not."""
    events: tuple[tuple[str, str], ...]
    """Cause and status reached, in order."""

    @property
    def key(self) -> str:
        """The idempotency key of its last intent."""
        return f"{self.id}:{self.intents}"

    def count(self, cause: str) -> int:
        """How often its timeline names `cause`."""
        return sum(found == cause for found, _ in self.events)


async def read_sessions(database_url: str, transactions: Sequence[str] | None = None) -> list[SessionRow]:
    """The sessions of the given transactions; without any, every session there is."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        parameters: dict[str, Any] = {"transactions": None if transactions is None else list(transactions)}
        rows = await (await connection.execute(_SESSIONS, parameters)).fetchall()
    return [_row(row) for row in rows]


async def owed(database_url: str) -> int:
    """How many sessions still owe PDI something that a worker will try."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        found = await (await connection.execute(_OWED)).fetchone()
    assert found is not None
    return int(found[0])


def _row(row: tuple[Any, ...]) -> SessionRow:
    identity, *fields, events = row
    timeline = tuple((cause, status) for cause, status in events or ())
    return SessionRow(*(format_session_id(SessionId(identity)), *fields, timeline))
