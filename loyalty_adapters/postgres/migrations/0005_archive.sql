-- The archive by months, so that what is old enough can be taken out of the database by the month instead of row by row.
--
-- The months are those in which sessions were opened, in UTC, and they are read off the session's id, whose first 48
-- bits are milliseconds since 1970. So an id leads to its one partition, in all three tables alike, and no session can
-- be in an archive twice. There is no default partition: it would have to be searched whenever a month is added, and
-- would forbid taking one out beside live traffic. The job that archives adds the months it needs.

DO $$
BEGIN
    IF EXISTS (SELECT FROM sessions_archive) THEN
        RAISE EXCEPTION 'sessions_archive is not empty: move its rows into the new one by hand';
    END IF;
END
$$;

DROP VIEW session_rows;
DROP FUNCTION returns_of(uuid);

ALTER TABLE sessions_archive RENAME TO sessions_archive_whole;
ALTER TABLE sessions_archive_whole DROP CONSTRAINT sessions_archive_pkey;
CREATE TABLE sessions_archive (
    LIKE sessions_archive_whole INCLUDING CONSTRAINTS INCLUDING DEFAULTS, PRIMARY KEY (id)
) PARTITION BY RANGE (id);
DROP TABLE sessions_archive_whole;
CREATE INDEX sessions_archive_customer ON sessions_archive (customer_id);
CREATE INDEX sessions_archive_key ON sessions_archive (channel_id, transaction_id);
CREATE INDEX sessions_archive_closed_by_client ON sessions_archive (client_id, status, closed_at, id);

DROP TABLE session_events_archive;
CREATE TABLE session_events_archive (
    LIKE session_events INCLUDING CONSTRAINTS, PRIMARY KEY (session_id, version)
) PARTITION BY RANGE (session_id);

DROP TABLE returns_archive;
CREATE TABLE returns_archive (
    LIKE returns INCLUDING CONSTRAINTS, PRIMARY KEY (session_id, return_id)
) PARTITION BY RANGE (session_id);

-- What the archive takes next: the sessions that ended first and owe nothing.
DROP INDEX sessions_closed;
CREATE INDEX sessions_settled ON sessions (closed_at) WHERE closed_at IS NOT NULL AND owed_since IS NULL;

-- The returns of each session as one document. A function would be planned anew at every call.
CREATE VIEW returned_goods AS
SELECT session_id,
       json_agg(
           json_build_object(
               'id', return_id, 'fingerprint', fingerprint, 'share', share, 'status', status, 'created_at', created_at,
               'answered', answered, 'settled_at', settled_at, 'failure', failure, 'origin', origin,
               'figures', CASE WHEN points_reversed IS NOT NULL THEN json_build_object(
                   'points_reversed', points_reversed, 'points_restored', points_restored
               ) END,
               'delivery', json_build_object(
                   'number', delivery_number, 'begun_at', begun_at, 'next_attempt_at', next_attempt_at,
                   'attempts', attempts, 'unanswered', unanswered, 'sent_at', sent_at, 'accepted_at', accepted_at,
                   'claimed_until', claimed_until, 'last_error', last_error, 'parked_at', parked_at
               )
           )
           ORDER BY position
       ) AS returns
  FROM returns
 GROUP BY session_id;

CREATE VIEW returned_goods_archive AS
SELECT session_id,
       json_agg(
           json_build_object(
               'id', return_id, 'fingerprint', fingerprint, 'share', share, 'status', status, 'created_at', created_at,
               'answered', answered, 'settled_at', settled_at, 'failure', failure, 'origin', origin,
               'figures', CASE WHEN points_reversed IS NOT NULL THEN json_build_object(
                   'points_reversed', points_reversed, 'points_restored', points_restored
               ) END,
               'delivery', json_build_object(
                   'number', delivery_number, 'begun_at', begun_at, 'next_attempt_at', next_attempt_at,
                   'attempts', attempts, 'unanswered', unanswered, 'sent_at', sent_at, 'accepted_at', accepted_at,
                   'claimed_until', claimed_until, 'last_error', last_error, 'parked_at', parked_at
               )
           )
           ORDER BY position
       ) AS returns
  FROM returns_archive
 GROUP BY session_id;

-- Live sessions as the service reads them, and nothing else: a statement that names an archive pays for each of its
-- months, also where it finds what it wants among the live. `address` is where the row lies at this version.
CREATE VIEW live_session_rows AS
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed, points_restored,
       booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts, unanswered, sent_at,
       accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at, closed_at,
       CASE WHEN return_count > 0 THEN (SELECT returns FROM returned_goods WHERE session_id = id) END AS returns,
       false AS archived, ctid AS address, holds_key
  FROM sessions;

-- Live and archived sessions as one.
CREATE VIEW session_rows AS
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed, points_restored,
       booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts, unanswered, sent_at,
       accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at, closed_at, returns,
       archived, address
  FROM live_session_rows
UNION ALL
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed, points_restored,
       booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts, unanswered, sent_at,
       accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at, closed_at,
       CASE WHEN return_count > 0 THEN (SELECT returns FROM returned_goods_archive WHERE session_id = id) END,
       true, ctid
  FROM sessions_archive;
