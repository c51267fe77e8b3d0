-- What the jobs did: one row for each tick of each job, made by whoever takes the tick up first.

CREATE TABLE job_runs (
    job text COLLATE "C" NOT NULL,
    tick timestamptz NOT NULL,
    -- By the schedule, or by hand; and how many ticks of the schedule it stands for, those that were missed included.
    scheduled boolean NOT NULL,
    ticks integer NOT NULL CHECK (ticks >= 1),
    status text COLLATE "C" NOT NULL CHECK (status IN ('running', 'waiting', 'done', 'failed')),
    runner text NOT NULL,
    -- Counts up whenever somebody takes the run up: who writes to it names the attempt that is theirs.
    attempts integer NOT NULL CHECK (attempts >= 1),
    failures integer NOT NULL CHECK (failures >= 0),
    started_at timestamptz NOT NULL,
    -- The end of the lease, or of the pause after an error; from then on others may take it up.
    free_at timestamptz,
    finished_at timestamptz,
    counts json NOT NULL,
    error text,
    PRIMARY KEY (job, tick),

    CONSTRAINT ended_when_done_or_failed CHECK ((status IN ('done', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT free_some_day_until_it_has_ended CHECK ((finished_at IS NULL) = (free_at IS NOT NULL)),
    CONSTRAINT failed_for_a_reason CHECK (status <> 'failed' OR error IS NOT NULL)
) WITH (fillfactor = 70);

-- No two runs of one job overlap. None of its columns changes while a run goes on, so renewing a lease writes no index.
CREATE UNIQUE INDEX job_runs_open ON job_runs (job) WHERE finished_at IS NULL;
CREATE INDEX job_runs_ended ON job_runs (job, finished_at) WHERE finished_at IS NOT NULL;
