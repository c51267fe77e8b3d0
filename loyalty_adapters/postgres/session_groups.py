"""Transitions of several sessions as one statement, in which each of them stands or falls alone.

A session that has moved on, or whose row is locked, is left out, and only it: what hangs off a session is selected by
what the update has returned. For any other lock a group waits a moment only; then it is refused as a whole, and whoever
has to wait does so alone. Every row is taken at its address, for the reason given at `session_writes`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_rows import changing_columns
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.unit_of_work import SessionChange, UnitOfWork

CHANGE_MANY: Final[LiteralString] = """
WITH haste AS MATERIALIZED (
    SELECT set_config('lock_timeout', '50ms', true)
), asked AS (
    SELECT asked.* FROM haste, json_to_recordset(%(changes)s::json) AS asked (
        id uuid, address tid, before_version int8, status text, version int8, tier text, host_session text,
        keeps_quote bool, quote json, keeps_intent bool, intent json, earned_points int8, redeemed_points int8,
        points_reversed int8, points_restored int8, booked_points int8, new_balance int8, intents int8,
        delivery_number int8, begun_at timestamptz, next_attempt_at timestamptz, attempts int8, unanswered int8,
        sent_at timestamptz, accepted_at timestamptz, claimed_until timestamptz, last_error text,
        parked_at timestamptz, finalized_at timestamptz, failure text, deleted_at timestamptz, closed_at timestamptz,
        return_count int8, owed_return text, owed_since timestamptz, owed_next_at timestamptz,
        owed_claimed_until timestamptz, owed_parked_at timestamptz
    )
), held AS (
    SELECT asked.* FROM asked, LATERAL (
        SELECT FROM sessions s
         WHERE s.ctid = asked.address AND s.id = asked.id AND s.version = asked.before_version
           FOR UPDATE SKIP LOCKED
    ) AS row
), changed AS (
    UPDATE sessions s
       SET status = h.status, version = h.version, tier = h.tier, host_session = h.host_session,
           quote = CASE WHEN h.keeps_quote THEN s.quote ELSE h.quote END,
           intent = CASE WHEN h.keeps_intent THEN s.intent ELSE h.intent END,
           earned_points = h.earned_points, redeemed_points = h.redeemed_points, points_reversed = h.points_reversed,
           points_restored = h.points_restored, booked_points = h.booked_points, new_balance = h.new_balance,
           intents = h.intents, delivery_number = h.delivery_number, begun_at = h.begun_at,
           next_attempt_at = h.next_attempt_at, attempts = h.attempts, unanswered = h.unanswered, sent_at = h.sent_at,
           accepted_at = h.accepted_at, claimed_until = h.claimed_until, last_error = h.last_error,
           parked_at = h.parked_at, finalized_at = h.finalized_at, failure = h.failure, deleted_at = h.deleted_at,
           closed_at = h.closed_at, return_count = h.return_count, owed_return = h.owed_return,
           owed_since = h.owed_since, owed_next_at = h.owed_next_at, owed_claimed_until = h.owed_claimed_until,
           owed_parked_at = h.owed_parked_at
      FROM held h
     WHERE s.ctid = h.address
    RETURNING s.id, s.ctid AS address
), event AS (
    INSERT INTO session_events (session_id, version, change_id, from_status, to_status, cause, detail, trace_id)
    SELECT e.id, e.version, e.change_id, e.from_status, e.to_status, e.cause, e.detail, e.trace_id
      FROM changed JOIN json_to_recordset(%(events)s::json) AS e (
               id uuid, version int8, change_id uuid, from_status text, to_status text, cause text, detail text,
               trace_id text
           ) USING (id)
), answer AS (
    INSERT INTO idempotency_answers (session_id, call, item, body)
    SELECT a.id, a.call, a.item, decode(a.body, 'base64')
      FROM changed JOIN json_to_recordset(%(answers)s::json) AS a (id uuid, call text, item text, body text) USING (id)
    ON CONFLICT (session_id, call, item) DO UPDATE SET body = excluded.body, created_at = excluded.created_at
), snapshot AS (
    INSERT INTO customer_snapshots AS kept (customer_id, tier, name, points, taken_at)
    SELECT DISTINCT ON (t.customer_id) t.customer_id, t.tier, t.name, t.points, t.at
      FROM changed JOIN json_to_recordset(%(snapshots)s::json) AS t (
               id uuid, customer_id text, tier text, name text, points int8, at timestamptz
           ) USING (id)
     ORDER BY t.customer_id, t.at DESC
    ON CONFLICT (customer_id) DO UPDATE
       SET tier = excluded.tier, name = excluded.name, points = excluded.points, taken_at = excluded.taken_at
     WHERE kept.taken_at < excluded.taken_at
)
SELECT id, address::text FROM changed
"""


class Groupable(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of work on one session, as the parts of it that `CHANGE_MANY` takes."""

    session: SessionId
    version: int
    """The version it makes."""
    row: dict[str, Any]
    events: list[dict[str, Any]]
    answer: dict[str, Any] | None
    snapshot: dict[str, Any] | None


def groupable(work: UnitOfWork, change_ids: Sequence[UUID], addresses: RowAddresses) -> Groupable | None:
    """`work`, where it may go with others: it changes one session, whose row lies where it was read, and no return.

    Several changes of it become one row and as many entries in the timeline.
    """
    first, last = work.changes[0], work.changes[-1]
    before, after = first.before, last.after
    if before is None or after.returns is not before.returns or not _is_chain(work.changes):
        return None
    address = addresses.of(after.id, before.version)
    if address is None:
        return None
    row = {**changing_columns(after, before), "address": address, "before_version": before.version}
    for document in ("quote", "intent"):
        if row[document] is not None:
            row[document] = msgspec.Raw(row[document].encode())
    events = [
        _event(change, change_id, work.trace_id) for change, change_id in zip(work.changes, change_ids, strict=True)
    ]
    return Groupable(
        session=after.id,
        version=after.version,
        row=row,
        events=events,
        answer=_answer(work, after.id),
        snapshot=_snapshot(work, after.id),
    )


def parameters_of(group: Sequence[Groupable]) -> dict[str, str]:
    """What `CHANGE_MANY` is sent for a group. Rows are locked in the order of their ids, as everywhere."""
    ordered = sorted(group, key=lambda one: one.session)
    return {
        "changes": _encode([one.row for one in ordered]),
        "events": _encode([event for one in ordered for event in one.events]),
        "answers": _encode([one.answer for one in ordered if one.answer is not None]),
        "snapshots": _encode([one.snapshot for one in ordered if one.snapshot is not None]),
    }


def _is_chain(changes: Sequence[SessionChange]) -> bool:
    """Whether each begins where the one before it has ended."""
    return all(later.before is earlier.after for earlier, later in pairwise(changes))


def _event(change: SessionChange, change_id: UUID, trace_id: str | None) -> dict[str, Any]:
    after = change.after
    return {
        "id": after.id,
        "version": after.version,
        "change_id": change_id,
        "from_status": None if change.before is None else change.before.status.value,
        "to_status": after.status.value,
        "cause": change.cause.value,
        "detail": change.detail,
        "trace_id": trace_id,
    }


def _answer(work: UnitOfWork, session: SessionId) -> dict[str, Any] | None:
    answer = work.answer
    if answer is None:
        return None
    return {"id": session, "call": answer.call.value, "item": answer.item, "body": answer.body}


def _snapshot(work: UnitOfWork, session: SessionId) -> dict[str, Any] | None:
    taken = work.snapshot
    if taken is None:
        return None
    member = taken.member
    return {
        "id": session,
        "customer_id": member.customer_id,
        "tier": member.tier,
        "name": member.name,
        "points": member.points,
        "at": taken.at,
    }


def _encode(documents: list[Any]) -> str:
    return _ENCODER.encode(documents).decode()


_ENCODER: Final = msgspec.json.Encoder()
