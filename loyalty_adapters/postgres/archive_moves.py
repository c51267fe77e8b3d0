"""Sessions on their way to the archive, and back again where something is to be changed about one.

Each way is one statement: a session is in one place or the other at every moment, as a whole, with its returns and its
timeline. Neither changes anything that anybody can see, because every read looks in both places.
"""

from typing import Final, LiteralString

# Of the sessions named, those that may still go and that nobody is at work on. What hangs off a session goes where the
# session goes: everything below is selected by what the first DELETE has returned.
# Lists of ids, and no joins: a list goes by index whatever the planner believes about the sizes of these tables.
PUT_AWAY: Final[LiteralString] = """
WITH due AS (
    SELECT ctid AS address FROM sessions
     WHERE id = ANY(%(ids)s::uuid[]) AND closed_at < %(before)s::timestamptz AND owed_since IS NULL
     ORDER BY id
       FOR UPDATE SKIP LOCKED
), moved AS (
    DELETE FROM sessions WHERE ctid = ANY(ARRAY(SELECT address FROM due)) RETURNING *
), events AS (
    DELETE FROM session_events WHERE session_id = ANY(ARRAY(SELECT id FROM moved)) RETURNING *
), goods AS (
    DELETE FROM returns WHERE session_id = ANY(ARRAY(SELECT id FROM moved WHERE return_count > 0)) RETURNING *
), kept AS (
    INSERT INTO sessions_archive (
        id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
        occurred_at, metadata, host_session, quote, intent, earned_points, redeemed_points, points_reversed,
        points_restored, booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts,
        unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at,
        closed_at, return_count, owed_return, owed_since, owed_next_at, owed_claimed_until, owed_parked_at
    )
    SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at,
           expires_at, occurred_at, metadata, host_session, quote, intent, earned_points, redeemed_points,
           points_reversed, points_restored, booked_points, new_balance, intents, delivery_number, begun_at,
           next_attempt_at, attempts, unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at,
           finalized_at, failure, deleted_at, closed_at, return_count, owed_return, owed_since, owed_next_at,
           owed_claimed_until, owed_parked_at
      FROM moved
), keys AS (
    INSERT INTO archived_transactions (channel_id, transaction_id, session_id)
    SELECT channel_id, transaction_id, id FROM moved WHERE holds_key
), events_kept AS (
    INSERT INTO session_events_archive SELECT * FROM events
), goods_kept AS (
    INSERT INTO returns_archive SELECT * FROM goods
)
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM events), (SELECT count(*) FROM goods)
"""

# Only at the version that the change is to be made from.
BRING_BACK: Final[LiteralString] = """
WITH archived AS (
    DELETE FROM sessions_archive WHERE id = %(id)s::uuid AND version = %(version)s::int8 RETURNING *
), key AS (
    DELETE FROM archived_transactions USING archived
     WHERE archived_transactions.channel_id = archived.channel_id
       AND archived_transactions.transaction_id = archived.transaction_id
       AND archived_transactions.session_id = archived.id
), goods AS (
    DELETE FROM returns_archive WHERE session_id = %(id)s::uuid AND EXISTS (SELECT FROM archived) RETURNING *
), events AS (
    DELETE FROM session_events_archive WHERE session_id = %(id)s::uuid AND EXISTS (SELECT FROM archived) RETURNING *
), goods_back AS (
    INSERT INTO returns SELECT * FROM goods
), events_back AS (
    INSERT INTO session_events SELECT * FROM events
)
INSERT INTO sessions (
    id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
    occurred_at, metadata, host_session, quote, intent, earned_points, redeemed_points, points_reversed,
    points_restored, booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts,
    unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at,
    closed_at, return_count, owed_return, owed_since, owed_next_at, owed_claimed_until, owed_parked_at
)
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, earned_points, redeemed_points, points_reversed,
       points_restored, booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts,
       unanswered, sent_at, accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at,
       closed_at, return_count, owed_return, owed_since, owed_next_at, owed_claimed_until, owed_parked_at
  FROM archived
RETURNING id
"""
