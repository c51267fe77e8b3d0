import asyncio
import random
from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

from loyalty_adapters.postgres.connections import ConnectionLane, Connections, Row
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_adapters.postgres.reads import read
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.identifiers import CustomerId

# No index finds a customer's sessions: it would cost every sale something, for a question asked a few times a year.
# Pages keep each statement short, however many sessions there are.
_PAGE: Final[LiteralString] = """
WITH page AS (
    SELECT id, customer_id FROM sessions WHERE id > %(after)s::uuid ORDER BY id LIMIT %(size)s::int8
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1),
       (SELECT coalesce(array_agg(id), '{}') FROM page WHERE customer_id = %(customer)s::text)
"""
# Member by member: a cast to jsonb would refuse documents that json holds.
# A POS may have put a name into its notes and its reasons, which are no part of the accounts.
_ERASE_NAMES: Final[LiteralString] = """
WITH nameless AS (
    UPDATE sessions
       SET opening = (SELECT json_object_agg(key, value) FROM json_each(opening) WHERE key <> 'name'),
           metadata = '{}'
     WHERE id = ANY(%(ids)s::uuid[])
), wordless AS (
    UPDATE session_events SET detail = NULL WHERE session_id = ANY(%(ids)s::uuid[]) AND cause = 'cancelled'
)
DELETE FROM idempotency_answers WHERE session_id = ANY(%(ids)s::uuid[]) AND call = 'identify'
"""
_ERASE_ARCHIVED_NAMES: Final[LiteralString] = """
WITH nameless AS (
    UPDATE sessions_archive
       SET opening = (SELECT json_object_agg(key, value) FROM json_each(opening) WHERE key <> 'name'),
           metadata = '{}'
     WHERE customer_id = %(customer)s::text
    RETURNING id
), wordless AS (
    UPDATE session_events_archive SET detail = NULL
     WHERE session_id IN (SELECT id FROM nameless) AND cause = 'cancelled'
)
SELECT id FROM nameless
"""
_ERASE_SNAPSHOT: Final[LiteralString] = "DELETE FROM customer_snapshots WHERE customer_id = %(customer)s::text"

_PAGE_SIZE: Final = 10_000
_ATTEMPTS: Final = 20


class PostgresPersonalData:
    """The `PersonalData` port on PostgreSQL.

    What is erased makes no new version of its session: no transition reads it, and none writes it.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def forget(self, customer: CustomerId) -> int:
        """See `PersonalData.forget`."""
        whose = {"customer": customer}
        await self._erase(_ERASE_SNAPSHOT, whose)
        found = 0
        after: UUID | None = UUID(int=0)
        while after is not None:
            page = {"after": after, "size": _PAGE_SIZE, **whose}
            ((after, ids),) = await read(self._lane, _PAGE, page)
            if ids:
                await self._erase(_ERASE_NAMES, {"ids": ids})
            found += len(ids)
        # Last, so that a session which is archived meanwhile is met here if it was missed above.
        return found + len(await self._erase(_ERASE_ARCHIVED_NAMES, whose))

    @property
    def _lane(self) -> ConnectionLane:
        return self._connections.intake

    async def _erase(self, statement: LiteralString, parameters: Mapping[str, object]) -> list[Row]:
        """Run an erasure, past the calls that are at work on the same rows: erasing twice is erasing."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._lane.run(statement, parameters)
            except (Conflict, ConnectionLost):
                await asyncio.sleep(0.01 * (attempt + random.random()))  # noqa: S311 - spreads retries
        raise StorageUnavailable
