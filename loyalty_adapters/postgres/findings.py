from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read
from loyalty_core.domain.difference import Difference, DifferenceKind, Side
from loyalty_core.domain.identifiers import ChannelId, SessionId, TransactionId
from loyalty_core.ports.reconciliation import Finding, FindingQuery

_COLUMNS: Final[LiteralString] = """
SELECT found.number, found.session_id, coalesce(s.channel_id, ''), coalesce(s.transaction_id, ''), found.day,
       found.kind, found.item, found.ours, found.theirs, found.note, found.found_at, found.checked_at,
       found.resolved_at, found.resolution
  FROM found LEFT JOIN session_rows s ON s.id = found.session_id
"""
_FIND: Final[LiteralString] = """
WITH found AS (
    SELECT * FROM reconciliation_findings
     WHERE (%(day)s::date IS NULL OR day = %(day)s::date) AND (NOT %(open_only)s OR resolved_at IS NULL)
       AND (day, number) > (%(after_day)s::date, %(after)s::int8)
     ORDER BY day, number LIMIT %(limit)s::int8
)
"""
_OF_SESSION: Final[LiteralString] = """
WITH found AS (SELECT * FROM reconciliation_findings WHERE session_id = %(session)s::uuid)
"""
_CLOSE: Final[LiteralString] = """
WITH found AS (
    UPDATE reconciliation_findings SET resolved_at = now(), resolution = %(resolution)s::text
     WHERE number = %(number)s::int8 AND (resolved_at IS NULL OR resolution = %(resolution)s::text)
    RETURNING *
)
"""
_IN_ORDER: Final[LiteralString] = " ORDER BY found.day, found.number"
_FIRST: Final = (date(1, 1, 1), 0)
_SIDE: Final = msgspec.json.Decoder(Side)


class _FindingRow(NamedTuple):
    number: int
    session_id: UUID
    channel_id: str
    transaction_id: str
    day: date
    kind: str
    item: str
    ours: bytes
    theirs: bytes
    note: str | None
    found_at: datetime
    checked_at: datetime
    resolved_at: datetime | None
    resolution: str | None

    def finding(self) -> Finding:
        return Finding(
            number=self.number,
            session=SessionId(self.session_id),
            channel=ChannelId(self.channel_id),
            transaction=TransactionId(self.transaction_id),
            day=self.day,
            difference=Difference(
                kind=DifferenceKind(self.kind),
                item=self.item,
                ours=_SIDE.decode(self.ours),
                theirs=_SIDE.decode(self.theirs),
                note=self.note,
            ),
            found_at=self.found_at,
            checked_at=self.checked_at,
            resolved_at=self.resolved_at,
            resolution=self.resolution,
        )


class PostgresFindings:
    """The `Findings` port on PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def find(self, query: FindingQuery) -> tuple[Finding, ...]:
        """See `Findings.find`."""
        day, number = query.after or _FIRST
        page = {
            "day": query.day,
            "open_only": query.open_only,
            "after_day": day,
            "after": number,
            "limit": query.limit,
        }
        return await self._findings(_FIND + _COLUMNS + _IN_ORDER, page)

    async def of_session(self, session_id: SessionId) -> tuple[Finding, ...]:
        """See `Findings.of_session`."""
        return await self._findings(_OF_SESSION + _COLUMNS + _IN_ORDER, {"session": session_id})

    async def close(self, number: int, resolution: str) -> Finding | None:
        """See `Findings.close`. Sent again after a lost answer, it finds its own resolution and is content."""
        found = await self._findings(_CLOSE + _COLUMNS, {"number": number, "resolution": resolution})
        return found[0] if found else None

    async def _findings(self, statement: LiteralString, parameters: Mapping[str, Any]) -> tuple[Finding, ...]:
        rows = await read(self._lane, statement, parameters)
        return tuple(_FindingRow._make(row).finding() for row in rows)
