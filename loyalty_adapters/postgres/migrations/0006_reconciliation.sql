-- Reconciliation: the order in which sessions are compared with PDI, how far that has come, and what was found.

-- A step is an entry of a timeline that touches PDI's books. Entries are only ever added, in the order of time, so that
-- this costs a sale two insertions at the end of an index; an index on the sessions themselves would be rewritten with
-- every change of a row.
CREATE INDEX session_events_steps ON session_events (at, session_id) WHERE cause IN (
    'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent', 'parked',
    'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected'
);
CREATE INDEX session_events_archive_steps ON session_events_archive (at, session_id) WHERE cause IN (
    'finalize_intended', 'host_accepted', 'host_rejected', 'host_refused_us', 'redemption_unsent', 'parked',
    'abandoned_by_operator', 'return_intended', 'return_settled', 'return_rejected'
);

-- One row. Steps up to (compared_at, compared_id) are done; `rechecking` and `rechecked_id` are of a run under way.
CREATE TABLE reconciliation_standing (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    compared_at timestamptz,
    compared_id uuid,
    rechecking timestamptz,
    rechecked_id uuid,

    CONSTRAINT place_is_whole CHECK ((compared_at IS NULL) = (compared_id IS NULL)),
    CONSTRAINT rechecked_while_rechecking CHECK (rechecked_id IS NULL OR rechecking IS NOT NULL)
);
INSERT INTO reconciliation_standing DEFAULT VALUES;

CREATE TABLE reconciliation_findings (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'missing_at_host', 'booked_at_host_unknown_to_us', 'doubled', 'points_differ', 'key_differs', 'return_missing',
        'return_unknown_to_us', 'return_points_differ', 'status_differs', 'session_unknown_at_host', 'booked_otherwise',
        'redemption_refused', 'still_owed', 'not_answered'
    )),
    item text COLLATE "C" NOT NULL,
    day date NOT NULL,
    ours json NOT NULL,
    theirs json NOT NULL,
    note text,
    found_at timestamptz NOT NULL DEFAULT now(),
    checked_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    -- Who closed it and why; empty where it was gone when the session was compared again.
    resolution text,

    CONSTRAINT one_of_each UNIQUE (session_id, kind, item),
    CONSTRAINT closed_when_resolved CHECK (resolution IS NULL OR resolved_at IS NOT NULL)
);
CREATE INDEX reconciliation_findings_of_day ON reconciliation_findings (day, number);
CREATE INDEX reconciliation_findings_open ON reconciliation_findings (session_id) WHERE resolved_at IS NULL;
