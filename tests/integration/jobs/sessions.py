"""Many sessions at once, as one statement makes them: copies of one that was stored the ordinary way."""

from datetime import timedelta
from typing import Final, LiteralString

import psycopg

from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.session import Cause
from tests.contracts.sales import a_quote, changed, new_session, stored

_COPY: Final[LiteralString] = """
INSERT INTO sessions (
    id, client_id, channel_id, transaction_id, customer_id, status, version, opening, created_at, expires_at, metadata,
    quote, earned_points, redeemed_points, points_reversed, points_restored, intents
)
SELECT gen_random_uuid(), client_id, channel_id, 'T-' || gen_random_uuid(), 'C-' || n, status, version, opening,
       created_at, clock_timestamp() - %s::interval + n * interval '1 microsecond', metadata, quote, earned_points,
       0, 0, 0, 0
  FROM sessions, generate_series(1, %s) n WHERE id = %s
"""


async def expired_sessions(
    operator: psycopg.AsyncConnection, store: PostgresSessions, count: int, ago: timedelta = timedelta(hours=1)
) -> None:
    """So many quoted sessions whose time ran out that long ago; beside them one with time left."""
    session = await stored(store, new_session())
    session = await changed(store, session, lambda it: it.quoted(a_quote(), it.created_at), Cause.QUOTED)
    await operator.execute(_COPY, (ago, count, session.id))


async def count(operator: psycopg.AsyncConnection, query: LiteralString) -> int:
    """The one number that a query returns."""
    (found,) = await (await operator.execute(query)).fetchone() or (0,)
    return int(found)
