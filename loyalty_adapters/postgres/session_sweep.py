from datetime import datetime
from typing import Final, LiteralString

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read

_COUNT: Final[LiteralString] = """
SELECT count(*) FROM sessions WHERE open_until <= least(%(before)s::timestamptz, statement_timestamp())
"""

# The transition `Session.expire`, of many sessions at once, without reading any of them: what it changes depends on
# nothing but the clock. `open_until` is the expiry of those that are active or calculated, and of no other.
# The addresses as one array: joined as a table of unknown size, they would be looked for in the whole of `sessions`.
_EXPIRE: Final[LiteralString] = """
WITH due AS (
    SELECT ctid AS address, id, status
      FROM sessions
     WHERE open_until <= least(%(before)s::timestamptz, statement_timestamp())
     ORDER BY open_until
     LIMIT %(limit)s::int8
       FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE sessions
       SET status = 'failed', version = version + 1, failure = 'expired', earned_points = 0,
           deleted_at = statement_timestamp(), closed_at = statement_timestamp()
     WHERE ctid = ANY (ARRAY (SELECT address FROM due))
    RETURNING id, version
), events AS (
    INSERT INTO session_events (session_id, version, change_id, from_status, to_status, cause, trace_id, at)
    SELECT id, version, gen_random_uuid(), due.status, 'failed', 'expired', %(trace_id)s::text, statement_timestamp()
      FROM expired JOIN due USING (id)
)
SELECT count(*) FROM expired
"""


class PostgresSessionSweep:
    """The `SessionSweep` port on PostgreSQL, on the connections for new work. A batch is one statement.

    It may be sent again where its answer was lost: what it has done it does not find a second time.
    """

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def count_expired(self, before: datetime) -> int:
        """See `SessionSweep.count_expired`."""
        ((count,),) = await read(self._lane, _COUNT, {"before": before})
        return int(count)

    async def expire(self, before: datetime, limit: int, trace_id: str | None) -> int:
        """See `SessionSweep.expire`."""
        parameters = {"before": before, "limit": limit, "trace_id": trace_id}
        ((count,),) = await read(self._lane, _EXPIRE, parameters)
        return int(count)
