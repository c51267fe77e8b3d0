from datetime import datetime
from typing import Final, LiteralString

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read

_COUNT: Final[LiteralString] = "SELECT count(*) FROM idempotency_answers WHERE created_at < %(before)s::timestamptz"

# An answer that a call is just replacing is young the moment after: skipped, not waited for.
# The addresses as one array: joined as a table of unknown size, they would be looked for in the whole table.
_CLEAR: Final[LiteralString] = """
WITH old AS (
    SELECT ctid AS address
      FROM idempotency_answers
     WHERE created_at < %(before)s::timestamptz
     ORDER BY created_at
     LIMIT %(limit)s::int8
       FOR UPDATE SKIP LOCKED
), cleared AS (
    DELETE FROM idempotency_answers WHERE ctid = ANY (ARRAY (SELECT address FROM old)) RETURNING 1
)
SELECT count(*) FROM cleared
"""


class PostgresAnswerRecords:
    """The `AnswerRecords` port on PostgreSQL, on the connections for new work. A batch is one statement."""

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def count_answers(self, before: datetime) -> int:
        """See `AnswerRecords.count_answers`."""
        ((count,),) = await read(self._lane, _COUNT, {"before": before})
        return int(count)

    async def clear_answers(self, before: datetime, limit: int) -> int:
        """See `AnswerRecords.clear_answers`."""
        ((count,),) = await read(self._lane, _CLEAR, {"before": before, "limit": limit})
        return int(count)
