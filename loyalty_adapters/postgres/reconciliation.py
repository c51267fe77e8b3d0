from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from loyalty_adapters.postgres.connections import Connections, Row
from loyalty_adapters.postgres.loaded_rows import SESSION_ID, loaded
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.reconciliation import Judged, Noted, Place, Standing, Step, Steps
from loyalty_core.ports.session_store import Loaded

_STANDING: Final[LiteralString] = """
SELECT compared_at, compared_id, rechecking, rechecked_id FROM reconciliation_standing
"""
# An entry of a timeline carries the time at which its transaction began. The oldest transaction that may be writing one
# is therefore the earliest that can still appear: those of our own connections, and of others those that have written.
# The second is for one that has begun and not said so yet.
_HORIZON: Final[LiteralString] = """
SELECT least(clock_timestamp() - interval '1 second', min(xact_start)) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND (starts_with(application_name, 'loyalty-') OR backend_xid IS NOT NULL)
"""
# The causes are spelled as in the indexes, which are found by them alone. A session comes up at its last step before
# the end, and so once, however many steps it has. OFFSET 0 has the later steps looked up session by session: left free,
# the planner reads all there are of a large archive and joins them, for a page of a hundred.
_STEPS: Final[LiteralString] = """
WITH found AS (
    SELECT at, id FROM (
        (SELECT step.at, step.session_id AS id FROM session_events step
          WHERE step.cause IN (
                'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent', 'parked',
                'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected')
            AND (step.at, step.session_id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
            AND step.at < %(until)s::timestamptz
            AND NOT EXISTS (
                SELECT FROM session_events later
                 WHERE later.session_id = step.session_id AND later.at < %(until)s::timestamptz
                   AND (later.at, later.version) > (step.at, step.version)
                   AND later.cause IN (
                       'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent',
                       'parked', 'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected')
                OFFSET 0)
          ORDER BY step.at, step.session_id LIMIT %(limit)s::int8)
        UNION ALL
        (SELECT step.at, step.session_id FROM session_events_archive step
          WHERE step.cause IN (
                'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent', 'parked',
                'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected')
            AND (step.at, step.session_id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
            AND step.at < %(until)s::timestamptz
            AND NOT EXISTS (
                SELECT FROM session_events_archive later
                 WHERE later.session_id = step.session_id AND later.at < %(until)s::timestamptz
                   AND (later.at, later.version) > (step.at, step.version)
                   AND later.cause IN (
                       'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent',
                       'parked', 'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected')
                OFFSET 0)
          ORDER BY step.at, step.session_id LIMIT %(limit)s::int8)
        ) AS step
     ORDER BY at, id LIMIT %(limit)s::int8
)
"""
_SESSIONS: Final[LiteralString] = """
SELECT found.at, found.id, statement_timestamp(), NULL::bytea, NULL::bytea,
       s.id, s.client_id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.opening, s.tier,
       s.created_at, s.expires_at, s.occurred_at, s.metadata, s.host_session, s.quote, s.intent, s.redeemed_points,
       s.points_reversed, s.points_restored, s.booked_points, s.new_balance, s.intents, s.delivery_number, s.begun_at,
       s.next_attempt_at, s.attempts, s.unanswered, s.sent_at, s.accepted_at, s.claimed_until, s.last_error,
       s.parked_at, s.finalized_at, s.failure, s.deleted_at, s.closed_at, s.returns, s.archived,
       s.address::text
  FROM found LEFT JOIN session_rows s ON s.id = found.id
 ORDER BY found.at, found.id
"""
_COUNT: Final[LiteralString] = """
SELECT count(*), (SELECT at FROM found ORDER BY at DESC, id DESC LIMIT 1),
       (SELECT id FROM found ORDER BY at DESC, id DESC LIMIT 1)
  FROM found
"""
# What has been owed for days is little, or PDI is away and nothing can be compared anyhow: it is sorted as it is.
_LEFT_OPEN: Final[LiteralString] = """
WITH found AS (
    SELECT id, NULL::timestamptz AS at FROM (
        (SELECT session_id AS id FROM reconciliation_findings
          WHERE resolved_at IS NULL AND checked_at < %(checked_before)s::timestamptz AND session_id > %(after)s::uuid
          ORDER BY session_id LIMIT %(limit)s::int8)
        UNION
        SELECT id FROM sessions
         WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL AND owed_since < %(owed_before)s::timestamptz
           AND id > %(after)s::uuid
        UNION
        SELECT id FROM sessions
         WHERE owed_parked_at IS NOT NULL AND owed_since < %(owed_before)s::timestamptz AND id > %(after)s::uuid
        ) AS open
     ORDER BY id LIMIT %(limit)s::int8
)
"""
_COUNT_LEFT_OPEN: Final[LiteralString] = "SELECT count(*) FROM found"
# What an operator has closed stays so while both sides are the same. `known` is how things stood before this statement.
_NOTE: Final[LiteralString] = """
WITH found AS (
    SELECT * FROM json_to_recordset(%(found)s::json)
               AS found (session_id uuid, kind text, item text, day date, ours json, theirs json, note text)
), known AS (
    SELECT session_id, kind, item, kept.resolved_at IS NULL AS is_open,
           kept.resolution IS NOT NULL AND kept.ours::text = found.ours::text
               AND kept.theirs::text = found.theirs::text AS stays_closed
      FROM found JOIN reconciliation_findings kept USING (session_id, kind, item)
), stored AS (
    INSERT INTO reconciliation_findings AS kept (session_id, kind, item, day, ours, theirs, note)
    SELECT session_id, kind, item, day, ours, theirs, note FROM found
     WHERE NOT EXISTS (SELECT FROM known WHERE stays_closed AND known.session_id = found.session_id
                                           AND known.kind = found.kind AND known.item = found.item)
     ORDER BY session_id, kind, item
    ON CONFLICT (session_id, kind, item) DO UPDATE
       SET ours = excluded.ours, theirs = excluded.theirs, note = excluded.note, checked_at = now(),
           resolved_at = NULL, resolution = NULL
), gone AS (
    UPDATE reconciliation_findings kept SET resolved_at = now(), checked_at = now()
      FROM json_to_recordset(%(judged)s::json) AS judged (session_id uuid, resolves text[])
     WHERE kept.session_id = judged.session_id AND kept.resolved_at IS NULL
       AND (judged.resolves IS NULL OR kept.kind = ANY(judged.resolves))
       AND NOT EXISTS (SELECT FROM found WHERE found.session_id = kept.session_id
                                           AND found.kind = kept.kind AND found.item = kept.item)
    RETURNING kept.number
), standing AS (
    UPDATE reconciliation_standing
       SET compared_at = %(compared_at)s::timestamptz, compared_id = %(compared_id)s::uuid,
           rechecking = %(rechecking)s::timestamptz, rechecked_id = %(rechecked_id)s::uuid
     WHERE compared_at IS NULL
        OR (compared_at, compared_id) <= (%(compared_at)s::timestamptz, %(compared_id)s::uuid)
)
SELECT found.session_id, found.kind, 0 FROM found LEFT JOIN known USING (session_id, kind, item)
 WHERE NOT coalesce(known.is_open OR known.stays_closed, false)
UNION ALL
SELECT NULL, NULL, count(*) FROM gone
"""
_PLACE: Final = 2
"""How many columns stand before those of a session."""
_COUNTED: Final = 10_000
_NOBODY: Final = UUID(int=0)
_LONG_AGO: Final = datetime(1, 1, 2, tzinfo=UTC)


class PostgresReconciliation:
    """The `Reconciliation` port on PostgreSQL: each page of work one statement, and each batch of findings another."""

    def __init__(self, connections: Connections, addresses: RowAddresses) -> None:
        """`addresses` is shared with the store, which may have to write to what is read here."""
        self._lane = connections.intake
        self._addresses = addresses

    async def standing(self) -> Standing:
        """See `Reconciliation.standing`."""
        ((at, session, rechecking, rechecked),) = await self._read(_STANDING)
        return Standing(
            compared=None if at is None else Place(at, SessionId(session)),
            rechecking=rechecking,
            rechecked=None if rechecked is None else SessionId(rechecked),
        )

    async def horizon(self) -> datetime:
        """See `Reconciliation.horizon`."""
        ((horizon,),) = await self._read(_HORIZON)
        assert isinstance(horizon, datetime)  # noqa: S101 - least() of a time and whatever else is a time
        return horizon

    async def count_steps(self, after: Place | None, until: datetime) -> int:
        """See `Reconciliation.count_steps`. Page by page, so that no statement runs long, however many there are."""
        total = 0
        while True:
            ((count, at, session),) = await self._read(_STEPS + _COUNT, _page(after, until, _COUNTED))
            total += int(count)
            if count < _COUNTED:
                return total
            after = Place(at, SessionId(session))

    async def steps(self, after: Place | None, until: datetime, limit: int) -> Steps:
        """See `Reconciliation.steps`."""
        rows = await self._read(_STEPS + _SESSIONS, _page(after, until, limit))
        places = [Place(at, SessionId(session)) for at, session, *_ in rows]
        steps = tuple(
            Step(place=place, loaded=self._loaded(row))
            for place, row in zip(places, rows, strict=True)
            if row[_PLACE + SESSION_ID] is not None
        )
        return Steps(steps=steps, last=places[-1] if places else None, is_last=len(rows) < limit)

    async def count_left_open(self, owed_before: datetime, checked_before: datetime) -> int:
        """See `Reconciliation.count_left_open`."""
        everything = _open_page(None, owed_before, checked_before, 2**40)
        ((count,),) = await self._read(_LEFT_OPEN + _COUNT_LEFT_OPEN, everything)
        return int(count)

    async def left_open(
        self, after: SessionId | None, owed_before: datetime, checked_before: datetime, limit: int
    ) -> tuple[Loaded, ...]:
        """See `Reconciliation.left_open`."""
        page = _open_page(after, owed_before, checked_before, limit)
        rows = await self._read(_LEFT_OPEN + _SESSIONS, page)
        return tuple(self._loaded(row) for row in rows if row[_PLACE + SESSION_ID] is not None)

    async def note(self, judged: tuple[Judged, ...], standing: Standing) -> Noted:
        """See `Reconciliation.note`."""
        compared = standing.compared
        rows = await self._read(
            _NOTE,
            {
                "found": msgspec.json.encode([row for session in judged for row in _finding_rows(session)]).decode(),
                "judged": msgspec.json.encode(
                    [{"session_id": session.session, "resolves": session.resolves} for session in judged]
                ).decode(),
                "compared_at": None if compared is None else compared.at,
                "compared_id": None if compared is None else compared.session,
                "rechecking": standing.rechecking,
                "rechecked_id": standing.rechecked,
            },
        )
        opened = tuple((SessionId(session), DifferenceKind(kind)) for session, kind, _ in rows[:-1])
        return Noted(opened=opened, resolved=int(rows[-1][2]))

    async def _read(self, statement: LiteralString, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        return await read(self._lane, statement, parameters or {})

    def _loaded(self, row: Row) -> Loaded:
        return loaded(row[_PLACE:], self._addresses)


def _page(after: Place | None, until: datetime, limit: int) -> dict[str, Any]:
    after = after or Place(_LONG_AGO, SessionId(_NOBODY))
    return {"after_at": after.at, "after_id": after.session, "until": until, "limit": limit}


def _open_page(after: SessionId | None, owed_before: datetime, checked_before: datetime, limit: int) -> dict[str, Any]:
    return {"after": after or _NOBODY, "owed_before": owed_before, "checked_before": checked_before, "limit": limit}


def _finding_rows(judged: Judged) -> list[dict[str, Any]]:
    return [
        {
            "session_id": judged.session,
            "kind": found.kind,
            "item": found.item,
            "day": judged.day,
            "ours": found.ours,
            "theirs": found.theirs,
            "note": found.note,
        }
        for found in judged.differences
    ]
