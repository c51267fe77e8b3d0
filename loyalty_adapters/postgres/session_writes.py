"""One transition as one statement: the session, its timeline, the answer and the snapshot, all or none of them.

The update itself takes the row's lock and names the version it was made from; what hangs off it is selected from what
it returned, so nothing is written beside a transition that was not.
"""

from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

import msgspec

from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_rows import changing_columns, fixed_columns, written_returns
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.unit_of_work import SessionChange, UnitOfWork

INSERT_SESSION: Final[LiteralString] = """
WITH changed AS (
    INSERT INTO sessions (
        id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
        occurred_at, metadata, host_session, quote, intent, earned_points, redeemed_points, points_reversed,
        points_restored, booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts,
        unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at,
        closed_at, owed_since, owed_next_at, owed_claimed_until, owed_parked_at
    )
    SELECT %(id)s::uuid, %(client_id)s::text, %(channel_id)s::text, %(transaction_id)s::text, %(customer_id)s::text,
           %(status)s::text, %(version)s::int8, %(opening)s::json, %(tier)s::text, %(created_at)s::timestamptz,
           %(expires_at)s::timestamptz, %(occurred_at)s::timestamptz, %(metadata)s::json, %(host_session)s::text,
           %(quote)s::json, %(intent)s::json, %(earned_points)s::int8, %(redeemed_points)s::int8,
           0, 0, %(booked_points)s::int8, %(new_balance)s::int8, %(intents)s::int8, %(delivery_number)s::int8,
           %(begun_at)s::timestamptz, %(next_attempt_at)s::timestamptz,
           %(attempts)s::int8, %(unanswered)s::int8, %(sent_at)s::timestamptz, %(accepted_at)s::timestamptz,
           %(claimed_until)s::timestamptz, %(last_error)s::text, %(parked_at)s::timestamptz,
           %(finalized_at)s::timestamptz, %(failure)s::text, %(deleted_at)s::timestamptz, %(closed_at)s::timestamptz,
           %(owed_since)s::timestamptz, %(owed_next_at)s::timestamptz, %(owed_claimed_until)s::timestamptz,
           %(owed_parked_at)s::timestamptz
     WHERE NOT EXISTS (
        SELECT FROM archived_transactions
         WHERE channel_id = %(channel_id)s::text AND transaction_id = %(transaction_id)s::text
     )
    RETURNING id, version, status, ctid
), event AS (
    INSERT INTO session_events (session_id, version, change_id, to_status, cause, detail, trace_id)
    SELECT id, version, %(change_id)s::uuid, status, %(cause)s::text, %(detail)s::text, %(trace_id)s::text FROM changed
), answer AS (
    INSERT INTO idempotency_answers (session_id, call, item, body)
    SELECT id, %(answer_call)s::text, %(answer_item)s::text, %(answer_body)s::bytea
      FROM changed WHERE %(answer_call)s::text IS NOT NULL
), snapshot AS (
    INSERT INTO customer_snapshots AS kept (customer_id, tier, name, points, taken_at)
    SELECT taken.customer_id, taken.tier, taken.name, taken.points, taken.at
      FROM changed, json_to_record(%(snapshot)s::json)
                 AS taken (customer_id text, tier text, name text, points int8, at timestamptz)
     WHERE %(snapshot)s::json IS NOT NULL
    ON CONFLICT (customer_id) DO UPDATE
       SET tier = excluded.tier, name = excluded.name, points = excluded.points, taken_at = excluded.taken_at
     WHERE kept.taken_at < excluded.taken_at
)
SELECT ctid::text FROM changed
"""

# The row is taken at the address where it was read. Finding it through the index would, to a serializable transaction,
# be a read of a whole index page; young sessions share the newest page, and so each would conflict with all the others.
_CHANGE: Final[LiteralString] = """
WITH changed AS (
    UPDATE sessions
       SET status = %(status)s::text, version = %(version)s::int8, tier = %(tier)s::text,
           host_session = %(host_session)s::text,
           quote = CASE WHEN %(keeps_quote)s THEN quote ELSE %(quote)s::json END,
           intent = CASE WHEN %(keeps_intent)s THEN intent ELSE %(intent)s::json END,
           earned_points = %(earned_points)s::int8, redeemed_points = %(redeemed_points)s::int8,
           points_reversed = %(points_reversed)s::int8, points_restored = %(points_restored)s::int8,
           booked_points = %(booked_points)s::int8, new_balance = %(new_balance)s::int8, intents = %(intents)s::int8,
           delivery_number = %(delivery_number)s::int8, begun_at = %(begun_at)s::timestamptz,
           next_attempt_at = %(next_attempt_at)s::timestamptz, attempts = %(attempts)s::int8,
           unanswered = %(unanswered)s::int8, sent_at = %(sent_at)s::timestamptz,
           accepted_at = %(accepted_at)s::timestamptz, claimed_until = %(claimed_until)s::timestamptz,
           last_error = %(last_error)s::text, parked_at = %(parked_at)s::timestamptz,
           finalized_at = %(finalized_at)s::timestamptz, failure = %(failure)s::text,
           deleted_at = %(deleted_at)s::timestamptz, closed_at = %(closed_at)s::timestamptz,
           return_count = %(return_count)s::int8, owed_return = %(owed_return)s::text,
           owed_since = %(owed_since)s::timestamptz, owed_next_at = %(owed_next_at)s::timestamptz,
           owed_claimed_until = %(owed_claimed_until)s::timestamptz, owed_parked_at = %(owed_parked_at)s::timestamptz
     WHERE ctid = coalesce(%(address)s::tid, (SELECT ctid FROM sessions WHERE id = %(id)s::uuid))
       AND id = %(id)s::uuid AND version = %(before_version)s::int8
    RETURNING id, version, status, ctid
), event AS (
    INSERT INTO session_events (session_id, version, change_id, from_status, to_status, cause, detail, trace_id)
    SELECT id, version, %(change_id)s::uuid, %(before_status)s::text, status, %(cause)s::text, %(detail)s::text,
           %(trace_id)s::text
      FROM changed
"""

# All of a session's returns, in their order; one that the session no longer has goes.
_CHANGE_RETURNS: Final[LiteralString] = """
), written AS (
    INSERT INTO returns (
        session_id, return_id, position, fingerprint, share, status, created_at, points_reversed, points_restored,
        answered, settled_at, failure, origin, delivery_number, begun_at, next_attempt_at, attempts, unanswered,
        sent_at, accepted_at, claimed_until, last_error, parked_at
    )
    SELECT changed.id, goods.id, goods.ordinality, goods.fingerprint, goods.share, goods.status, goods.created_at,
           figures.points_reversed, figures.points_restored, goods.answered, goods.settled_at, goods.failure,
           goods.origin, delivery.number, delivery.begun_at, delivery.next_attempt_at, delivery.attempts,
           delivery.unanswered, delivery.sent_at, delivery.accepted_at, delivery.claimed_until, delivery.last_error,
           delivery.parked_at
      FROM changed,
           ROWS FROM (json_to_recordset(%(returns)s::json) AS (
               id text, fingerprint text, share json, status text, created_at timestamptz, figures json, answered json,
               settled_at timestamptz, failure text, origin text, delivery json
           )) WITH ORDINALITY AS goods,
           json_to_record(goods.figures) AS figures (points_reversed int8, points_restored int8),
           json_to_record(goods.delivery) AS delivery (
               number int8, begun_at timestamptz, next_attempt_at timestamptz, attempts int8, unanswered int8,
               sent_at timestamptz, accepted_at timestamptz, claimed_until timestamptz, last_error text,
               parked_at timestamptz
           )
    ON CONFLICT (session_id, return_id) DO UPDATE
       SET position = excluded.position, status = excluded.status, points_reversed = excluded.points_reversed,
           points_restored = excluded.points_restored, answered = excluded.answered,
           settled_at = excluded.settled_at, failure = excluded.failure, delivery_number = excluded.delivery_number,
           begun_at = excluded.begun_at, next_attempt_at = excluded.next_attempt_at, attempts = excluded.attempts,
           unanswered = excluded.unanswered, sent_at = excluded.sent_at, accepted_at = excluded.accepted_at,
           claimed_until = excluded.claimed_until, last_error = excluded.last_error, parked_at = excluded.parked_at
), taken_back AS (
    DELETE FROM returns USING changed
     WHERE session_id = changed.id
       AND return_id <> ALL (SELECT entry ->> 'id' FROM json_array_elements(%(returns)s::json) AS entry)
"""

_ATTACHMENTS: Final[LiteralString] = """
), answer AS (
    INSERT INTO idempotency_answers (session_id, call, item, body)
    SELECT id, %(answer_call)s::text, %(answer_item)s::text, %(answer_body)s::bytea
      FROM changed WHERE %(answer_call)s::text IS NOT NULL
    ON CONFLICT (session_id, call, item) DO UPDATE SET body = excluded.body, created_at = excluded.created_at
), snapshot AS (
    INSERT INTO customer_snapshots AS kept (customer_id, tier, name, points, taken_at)
    SELECT taken.customer_id, taken.tier, taken.name, taken.points, taken.at
      FROM changed, json_to_record(%(snapshot)s::json)
                 AS taken (customer_id text, tier text, name text, points int8, at timestamptz)
     WHERE %(snapshot)s::json IS NOT NULL
    ON CONFLICT (customer_id) DO UPDATE
       SET tier = excluded.tier, name = excluded.name, points = excluded.points, taken_at = excluded.taken_at
     WHERE kept.taken_at < excluded.taken_at
)
SELECT ctid::text FROM changed
"""

UPDATE_SESSION: Final[LiteralString] = _CHANGE + _ATTACHMENTS
UPDATE_SESSION_AND_RETURNS: Final[LiteralString] = _CHANGE + _CHANGE_RETURNS + _ATTACHMENTS


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One change, ready to be sent, and sent again, any number of times: it can only take effect once."""

    session: SessionId
    version: int
    """The version it makes; with the session it names the change's row in the timeline."""
    change_id: UUID
    statement: LiteralString
    parameters: dict[str, Any]
    is_new: bool

    @property
    def has_address(self) -> bool:
        """Whether it looks for its row at one place only."""
        return self.parameters.get("address") is not None

    def anywhere(self) -> "Write":
        """The same write, finding its row wherever it lies now."""
        return msgspec.structs.replace(self, parameters={**self.parameters, "address": None})


def new_change_ids(work: UnitOfWork) -> tuple[UUID, ...]:
    """A name for each of its changes, by which a change that was sent is known again."""
    return tuple(uuid4() for _ in work.changes)


def writes_of(work: UnitOfWork, change_ids: Sequence[UUID], addresses: RowAddresses) -> tuple[Write, ...]:
    """The statements of a unit of work, in the order of its changes."""
    last = work.changes[-1]
    return tuple(
        _write(
            change,
            {
                "change_id": change_id,
                "cause": change.cause.value,
                "detail": change.detail,
                "trace_id": work.trace_id,
                **(_attachments(work) if change is last else _NOTHING_ATTACHED),
            },
            addresses,
        )
        for change, change_id in zip(work.changes, change_ids, strict=True)
    )


def _write(change: SessionChange, beside: dict[str, Any], addresses: RowAddresses) -> Write:
    before, after = change.before, change.after
    parameters = {**changing_columns(after, before), **beside}
    if before is None:
        for name in _NOT_IN_A_NEW_SESSION:
            del parameters[name]
        parameters |= fixed_columns(after)
        statement = INSERT_SESSION
    else:
        parameters["before_version"], parameters["before_status"] = before.version, before.status.value
        parameters["address"] = addresses.of(after.id, before.version)
        returns = written_returns(after, before)
        statement = UPDATE_SESSION
        if returns is not None:
            parameters["returns"] = returns
            statement = UPDATE_SESSION_AND_RETURNS
    return Write(
        session=after.id,
        version=after.version,
        change_id=beside["change_id"],
        statement=statement,
        parameters=parameters,
        is_new=before is None,
    )


def _attachments(work: UnitOfWork) -> dict[str, Any]:
    """What a unit writes beside its sessions; it goes with the last of them."""
    answer, snapshot = work.answer, work.snapshot
    attached = dict(_NOTHING_ATTACHED)
    if answer is not None:
        attached |= {"answer_call": answer.call.value, "answer_item": answer.item, "answer_body": answer.body}
    if snapshot is not None:
        member = snapshot.member
        taken = {
            "customer_id": member.customer_id,
            "tier": member.tier,
            "name": member.name,
            "points": member.points,
            "at": snapshot.at,
        }
        attached["snapshot"] = msgspec.json.encode(taken).decode()
    return attached


# What only a session with a history has; a new one is written with their defaults.
_NOT_IN_A_NEW_SESSION: Final = (
    "keeps_quote", "keeps_intent", "points_reversed", "points_restored", "return_count", "owed_return"
)  # fmt: skip
_NOTHING_ATTACHED: Final[dict[str, Any]] = {
    "answer_call": None,
    "answer_item": "",
    "answer_body": b"",  # bytes always carry their type, so an absent body has to be some bytes too
    "snapshot": None,
}
