import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

from psycopg import AsyncConnection

from loyalty_adapters.postgres.archive_months import month_of, months_at_hand
from loyalty_adapters.postgres.archive_moves import PUT_AWAY
from loyalty_adapters.postgres.connections import Connections, Row
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.ports.session_archive import Archived

# READ COMMITTED, alone among all transactions: these decide nothing by what they have read, and everything that they
# write is a row that they hold. As a serializable transaction a batch would leave its marks on whole tables and
# indexes, and calls that have nothing to do with it would have to be repeated.
_ISOLATION: Final[LiteralString] = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
# From where the last batch ended: what it moved has left entries in the index that only a vacuum clears away, and a
# batch that began at the first of them would have to pass over all that were moved in this run.
_NEXT: Final[LiteralString] = """
SELECT id, closed_at FROM sessions
 WHERE closed_at >= %(after)s::timestamptz AND closed_at < %(before)s::timestamptz AND owed_since IS NULL
 ORDER BY closed_at
 LIMIT %(limit)s::int8
"""
# Page by page, for a count over millions outlasts what a statement may take.
_COUNT: Final[LiteralString] = """
SELECT count(*), max(closed_at)
  FROM (SELECT closed_at FROM sessions
         WHERE closed_at > %(after)s::timestamptz AND closed_at < %(before)s::timestamptz AND owed_since IS NULL
         ORDER BY closed_at
         FETCH FIRST (%(page)s::int8) ROWS WITH TIES) AS page
"""
_PAGE: Final = 50_000
_TOGETHER: Final = 1000
"""Sessions in one transaction, however many are asked for: a statement has to be done in its time, and so has the next
call that waits for one of its rows."""
_LONG_AGO: Final = datetime(1, 1, 2, tzinfo=UTC)
_ATTEMPTS: Final = 5

ResultT = TypeVar("ResultT")


class PostgresSessionArchive:
    """The `SessionArchive` port on PostgreSQL: tables in monthly partitions beside the live ones."""

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def due(self, before: datetime) -> int:
        """See `SessionArchive.due`."""
        found = 0
        after: datetime | None = _LONG_AGO
        while after is not None:
            ((count, after),) = await self._rows(_COUNT, {"after": after, "before": before, "page": _PAGE})
            found += count
        return found

    async def move(self, before: datetime, limit: int, after: datetime | None = None) -> Archived:
        """See `SessionArchive.move`."""
        rows = await self._rows(_NEXT, {"after": after or _LONG_AGO, "before": before, "limit": limit})
        if not rows:
            return Archived(seen=0, sessions=0, last=after)
        months: dict[UUID, date] = {session: month_of(session) for session, _ in rows}
        at_hand = await self._in_a_transaction(lambda connection: months_at_hand(connection, months.values()))
        going = sorted(session for session, month in months.items() if month in at_hand)
        moved = [
            (await self._rows(PUT_AWAY, {"ids": going[first : first + _TOGETHER], "before": before}))[0]
            for first in range(0, len(going), _TOGETHER)
        ]
        return Archived(
            seen=len(rows),
            sessions=sum(sessions for sessions, _, _ in moved),
            events=sum(events for _, events, _ in moved),
            returns=sum(returns for _, _, returns in moved),
            held_back=len(rows) - len(going),
            last=rows[-1][1],
        )

    async def _rows(self, statement: LiteralString, parameters: dict[str, Any]) -> list[Row]:
        async def fetch(connection: AsyncConnection) -> list[Row]:
            with self._lane.around(statement):
                cursor = await connection.execute(statement, parameters, prepare=True, binary=True)
                return await cursor.fetchall()

        return await self._in_a_transaction(fetch)

    async def _in_a_transaction(self, work: Callable[[AsyncConnection], Awaitable[ResultT]]) -> ResultT:
        """What `work` makes of a transaction, past conflicts: what is done here a second time finds it done."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._lane.connection() as connection, connection.transaction():
                    await connection.execute(_ISOLATION)
                    return await work(connection)
            except Conflict:
                await asyncio.sleep(0.01 * (attempt + random.random()))  # noqa: S311 - spreads retries, guards nothing
            except ConnectionLost:
                raise StorageUnavailable from None
        raise StorageUnavailable
