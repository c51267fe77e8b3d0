"""An archived session on its way back among the live ones, because something is to be changed about it."""

from typing import Final, LiteralString

# As a whole, with its returns and its timeline, and only at the version that the change is to be made from.
# By itself this changes nothing that anybody can see: every read looks in both places.
BRING_BACK: Final[LiteralString] = """
WITH archived AS (
    DELETE FROM sessions_archive WHERE id = %(id)s::uuid AND version = %(version)s::int8 RETURNING *
), key AS (
    DELETE FROM archived_transactions USING archived
     WHERE archived_transactions.channel_id = archived.channel_id
       AND archived_transactions.transaction_id = archived.transaction_id
       AND archived_transactions.session_id = archived.id
), goods AS (
    DELETE FROM returns_archive USING archived WHERE session_id = archived.id RETURNING returns_archive.*
), events AS (
    DELETE FROM session_events_archive USING archived WHERE session_id = archived.id RETURNING session_events_archive.*
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
