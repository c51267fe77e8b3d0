-- Sessions, their timelines, their answers of record, and what goes with them.
--
-- Ids are compared bytewise (COLLATE "C"): they are opaque, and no index may depend on a machine's locale.
-- `json`, not `jsonb`, wherever a document has to read back exactly as it was written.
-- There are no foreign keys between these tables: children are written by the very statement that writes their parent,
-- and each key would cost a lock and a lookup per row.

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    channel_id text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN (
        'active', 'calculated', 'finalizing', 'finalized', 'partially_returned', 'returned', 'failed', 'cancelled'
    )),
    version integer NOT NULL CHECK (version >= 1),
    opening json NOT NULL,
    tier text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    occurred_at timestamptz,
    metadata json NOT NULL,
    host_session text COLLATE "C",
    quote json,
    intent json,
    -- The figure that counts at this version; for people and reports, the service computes its own.
    earned_points bigint NOT NULL CHECK (earned_points >= 0),
    redeemed_points bigint NOT NULL CHECK (redeemed_points >= 0),
    points_reversed bigint NOT NULL CHECK (points_reversed >= 0),
    points_restored bigint NOT NULL CHECK (points_restored >= 0),
    -- The host's receipt. Its balance is the host's affair and may be anything.
    booked_points bigint CHECK (booked_points >= 0),
    new_balance bigint,
    -- The delivery of the current intent; `begun_at` is set if, and only if, there is one.
    intents integer NOT NULL CHECK (intents >= 0),
    delivery_number integer CHECK (delivery_number >= 1),
    begun_at timestamptz,
    next_attempt_at timestamptz,
    attempts integer CHECK (attempts >= 0),
    unanswered integer CHECK (unanswered >= 0),
    sent_at timestamptz,
    accepted_at timestamptz,
    claimed_until timestamptz,
    last_error text,
    parked_at timestamptz,
    finalized_at timestamptz,
    failure text,
    deleted_at timestamptz,
    closed_at timestamptz,
    return_count integer NOT NULL DEFAULT 0 CHECK (return_count >= 0),
    -- What is owed first, and so has to go first: the sale while it is finalizing, later its first return not yet booked
    -- (then `owed_return` names it). The queue reads these alone; the deliveries themselves say the same in full.
    owed_return text COLLATE "C",
    owed_since timestamptz,
    owed_next_at timestamptz,
    owed_claimed_until timestamptz,
    owed_parked_at timestamptz,

    CONSTRAINT reversed_at_most_booked CHECK (points_reversed <= coalesce(booked_points, 0)),
    CONSTRAINT restored_at_most_redeemed CHECK (points_restored <= redeemed_points),
    CONSTRAINT receipt_is_whole CHECK (new_balance IS NULL OR booked_points IS NOT NULL),
    CONSTRAINT delivery_is_whole CHECK (
        (begun_at IS NULL) = (delivery_number IS NULL)
        AND (begun_at IS NULL) = (attempts IS NULL)
        AND (begun_at IS NULL) = (unanswered IS NULL)
        AND (begun_at IS NOT NULL
            OR num_nonnulls(next_attempt_at, sent_at, accepted_at, claimed_until, last_error, parked_at) = 0)
    ),
    -- What is owed is always in a worker's or an operator's hands, and nothing else is.
    CONSTRAINT owed_work_is_queued_or_parked CHECK (
        (owed_since IS NOT NULL) = (num_nonnulls(owed_next_at, owed_parked_at) > 0)
        AND (owed_since IS NOT NULL OR num_nonnulls(owed_return, owed_claimed_until) = 0)
    ),
    CONSTRAINT finalizing_is_owed CHECK (
        (status = 'finalizing') = (owed_since IS NOT NULL AND owed_return IS NULL)
        AND (status = 'finalizing') = (num_nonnulls(next_attempt_at, parked_at) > 0)
    ),
    CONSTRAINT settled_sales_alone_owe_returns CHECK (
        owed_return IS NULL OR status IN ('finalized', 'partially_returned', 'returned')
    ),
    CONSTRAINT finalizing_has_an_intent CHECK (status <> 'finalizing' OR intent IS NOT NULL),
    CONSTRAINT settled_has_a_receipt CHECK (
        (status IN ('finalized', 'partially_returned', 'returned')) = (booked_points IS NOT NULL)
    ),
    CONSTRAINT failed_has_a_reason CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT closed_when_terminal CHECK (
        (status IN ('finalized', 'partially_returned', 'returned', 'failed', 'cancelled')) = (closed_at IS NOT NULL)
    )
);

-- Sessions that ended long ago: the same columns and checks, none of the queues.
CREATE TABLE sessions_archive (
    LIKE sessions INCLUDING CONSTRAINTS INCLUDING DEFAULTS,
    archived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
);
CREATE INDEX sessions_archive_customer ON sessions_archive (customer_id);

-- The keys of archived sales, so that they stay refused: as narrow as a table that only grows should be.
CREATE TABLE archived_transactions (
    channel_id text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    session_id uuid NOT NULL,
    PRIMARY KEY (channel_id, transaction_id)
);

-- The indexes below are built on these columns, not on `status`: an update that changes none of them (every new quote,
-- every claim of a live call) then touches no index at all.
ALTER TABLE sessions
    ADD COLUMN holds_key boolean NOT NULL
        GENERATED ALWAYS AS (status <> 'cancelled' AND (status <> 'failed' OR intent IS NOT NULL)) STORED,
    ADD COLUMN open_until timestamptz
        GENERATED ALWAYS AS (CASE WHEN status IN ('active', 'calculated') THEN expires_at END) STORED,
    ADD COLUMN closed_status text COLLATE "C"
        GENERATED ALWAYS AS (CASE WHEN closed_at IS NOT NULL THEN status END) STORED;

-- A row is written three to five times within seconds: room beside it keeps its versions on one page.
-- Queues live in its indexes, so dead rows are cleared away early.
ALTER TABLE sessions SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02
);

CREATE UNIQUE INDEX sessions_key ON sessions (channel_id, transaction_id) WHERE holds_key;
-- The delivery queue: oldest intent first, and what a customer has waiting before it.
CREATE INDEX sessions_owed ON sessions (owed_since, id, owed_next_at)
    WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL;
CREATE INDEX sessions_owed_by_customer ON sessions (customer_id, owed_since, id)
    WHERE owed_since IS NOT NULL AND owed_parked_at IS NULL;
CREATE INDEX sessions_parked ON sessions (owed_parked_at) WHERE owed_parked_at IS NOT NULL;
CREATE INDEX sessions_open_until ON sessions (open_until) WHERE open_until IS NOT NULL;
CREATE INDEX sessions_closed ON sessions (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_closed_by_client ON sessions (client_id, closed_status, closed_at, id)
    WHERE closed_at IS NOT NULL;

-- What was given back of a sale: each with an intent and a delivery of its own, in the order of their intents.
CREATE TABLE returns (
    session_id uuid NOT NULL,
    return_id text COLLATE "C" NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    fingerprint text NOT NULL,
    share json NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('accepted', 'returned', 'rejected', 'void')),
    created_at timestamptz NOT NULL,
    points_reversed bigint CHECK (points_reversed >= 0),
    points_restored bigint CHECK (points_restored >= 0),
    answered json,
    settled_at timestamptz,
    failure text,
    origin text,
    delivery_number integer NOT NULL CHECK (delivery_number >= 1),
    begun_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    attempts integer NOT NULL CHECK (attempts >= 0),
    unanswered integer NOT NULL CHECK (unanswered >= 0),
    sent_at timestamptz,
    accepted_at timestamptz,
    claimed_until timestamptz,
    last_error text,
    parked_at timestamptz,
    PRIMARY KEY (session_id, return_id),

    CONSTRAINT figures_are_whole CHECK ((points_reversed IS NULL) = (points_restored IS NULL)),
    CONSTRAINT returned_has_figures CHECK (status <> 'returned' OR points_reversed IS NOT NULL),
    CONSTRAINT refused_has_a_reason CHECK ((status IN ('rejected', 'void')) = (failure IS NOT NULL)),
    CONSTRAINT accepted_is_open CHECK ((status = 'accepted') = (settled_at IS NULL)),
    CONSTRAINT accepted_is_queued_or_parked CHECK (
        (status = 'accepted') = (num_nonnulls(next_attempt_at, parked_at) > 0)
    )
);
CREATE TABLE returns_archive (LIKE returns INCLUDING CONSTRAINTS, PRIMARY KEY (session_id, return_id));

-- The returns of a session, live or archived, as the service reads them.
CREATE FUNCTION returns_of(session uuid) RETURNS json STABLE LANGUAGE sql AS $$
    SELECT json_agg(
               json_build_object(
                   'id', r.return_id, 'fingerprint', r.fingerprint, 'share', r.share, 'status', r.status,
                   'created_at', r.created_at, 'answered', r.answered, 'settled_at', r.settled_at,
                   'failure', r.failure, 'origin', r.origin,
                   'figures', CASE WHEN r.points_reversed IS NOT NULL THEN json_build_object(
                       'points_reversed', r.points_reversed, 'points_restored', r.points_restored
                   ) END,
                   'delivery', json_build_object(
                       'number', r.delivery_number, 'begun_at', r.begun_at, 'next_attempt_at', r.next_attempt_at,
                       'attempts', r.attempts, 'unanswered', r.unanswered, 'sent_at', r.sent_at,
                       'accepted_at', r.accepted_at, 'claimed_until', r.claimed_until, 'last_error', r.last_error,
                       'parked_at', r.parked_at
                   )
               )
               ORDER BY r.position
           )
      FROM (SELECT * FROM returns UNION ALL SELECT * FROM returns_archive) AS r
     WHERE r.session_id = session
$$;

-- The timeline. A version is reached once, so (session, version) also finds the change that a lost commit was about.
CREATE TABLE session_events (
    session_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    change_id uuid NOT NULL,
    from_status text COLLATE "C" CHECK (from_status IN (
        'active', 'calculated', 'finalizing', 'finalized', 'partially_returned', 'returned', 'failed', 'cancelled'
    )),
    to_status text COLLATE "C" NOT NULL CHECK (to_status IN (
        'active', 'calculated', 'finalizing', 'finalized', 'partially_returned', 'returned', 'failed', 'cancelled'
    )),
    cause text COLLATE "C" NOT NULL CHECK (cause IN (
        'identified', 'quoted', 'emptied', 'finalize_intended', 'finalized_without_rewards', 'host_identified',
        'host_session_lost', 'attempt_begun', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent', 'delivery_awaited',
        'parked', 'retried_by_operator', 'abandoned_by_operator', 'cancelled', 'expired', 'superseded',
        'return_intended', 'return_settled', 'redemption_unsent', 'return_rejected'
    )),
    detail text,
    trace_id text COLLATE "C",
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, version)
);

CREATE TABLE session_events_archive (LIKE session_events INCLUDING CONSTRAINTS, PRIMARY KEY (session_id, version));

CREATE TABLE idempotency_answers (
    session_id uuid NOT NULL,
    call text COLLATE "C" NOT NULL CHECK (call IN ('identify', 'finalize', 'return')),
    -- The return's id; empty where a session has one such answer at most.
    item text COLLATE "C" NOT NULL DEFAULT '',
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, call, item)
);
CREATE INDEX idempotency_answers_created ON idempotency_answers (created_at);

CREATE TABLE customer_snapshots (
    customer_id text COLLATE "C" PRIMARY KEY,
    tier text,
    name text,
    points bigint,
    taken_at timestamptz NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE reward_programs (
    content_hash text COLLATE "C" PRIMARY KEY,
    id text NOT NULL,
    version text NOT NULL,
    content json NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE receipt_numbers AS bigint;

-- Live and archived sessions as one: how every session is read. `address` is where the row lies at this version.
CREATE VIEW session_rows AS
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed, points_restored,
       booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts, unanswered, sent_at,
       accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at, closed_at,
       CASE WHEN return_count > 0 THEN returns_of(id) END AS returns, false AS archived, ctid AS address
  FROM sessions
UNION ALL
SELECT id, client_id, channel_id, transaction_id, customer_id, status, version, opening, tier, created_at, expires_at,
       occurred_at, metadata, host_session, quote, intent, redeemed_points, points_reversed, points_restored,
       booked_points, new_balance, intents, delivery_number, begun_at, next_attempt_at, attempts, unanswered, sent_at,
       accepted_at, claimed_until, last_error, parked_at, finalized_at, failure, deleted_at, closed_at,
       CASE WHEN return_count > 0 THEN returns_of(id) END, true, ctid
  FROM sessions_archive;
