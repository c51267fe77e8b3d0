from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import msgspec

from loyalty_adapters.postgres.connections import Connections, Row
from loyalty_adapters.postgres.reads import read
from loyalty_core.ports.job_ledger import JobName, JobRun, JobStanding, RunLost, RunStatus, Tick

_STANDING: Final[LiteralString] = """
SELECT statement_timestamp(),
       (SELECT max(tick) FROM job_runs WHERE job = %(job)s::text AND scheduled),
       kind,
       job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, finished_at, counts, error
  FROM (SELECT) AS one_row
  LEFT JOIN LATERAL (
        SELECT 'open' AS kind, r.* FROM job_runs r WHERE r.job = %(job)s::text AND r.finished_at IS NULL
         UNION ALL
       (SELECT 'ended', r.* FROM job_runs r
         WHERE r.job = %(job)s::text AND r.finished_at IS NOT NULL
         ORDER BY r.finished_at DESC
         LIMIT 1)
       ) AS runs ON true
"""

# Both the tick's own row and the job's open one are unique: whichever is in the way, nothing is written.
_BEGIN: Final[LiteralString] = """
INSERT INTO job_runs (
    job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, counts
)
SELECT %(job)s::text, %(tick)s::timestamptz, %(scheduled)s, %(ticks)s::int8, 'running', %(runner)s::text, 1, 0,
       statement_timestamp(), statement_timestamp() + %(lease)s::interval, '{}'
 WHERE NOT (%(scheduled)s AND EXISTS (
        SELECT FROM job_runs WHERE job = %(job)s::text AND scheduled AND tick > %(tick)s::timestamptz
       ))
ON CONFLICT DO NOTHING
RETURNING job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, finished_at, counts,
          error
"""

_TAKE_OVER: Final[LiteralString] = """
UPDATE job_runs
   SET status = 'running', runner = %(runner)s::text, attempts = attempts + 1,
       free_at = statement_timestamp() + %(lease)s::interval
 WHERE job = %(job)s::text AND tick = %(tick)s::timestamptz AND attempts = %(attempts)s::int8
   AND free_at <= statement_timestamp()
RETURNING job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, finished_at, counts,
          error
"""

# Sent again where the answer was lost: the attempt is still ours, and the second time writes what the first one did.
_NOTE: Final[LiteralString] = """
WITH noted AS (
    UPDATE job_runs
       SET status = %(status)s::text, counts = %(counts)s::json, failures = %(failures)s::int8, error = %(error)s::text,
           free_at = statement_timestamp() + %(free_in)s::interval,
           finished_at = CASE WHEN %(free_in)s::interval IS NULL THEN coalesce(finished_at, statement_timestamp()) END
     WHERE job = %(job)s::text AND tick = %(tick)s::timestamptz AND attempts = %(attempts)s::int8
       AND status IN ('running', %(status)s::text)
    RETURNING *
), dropped AS (
    DELETE FROM job_runs old USING noted
     WHERE noted.finished_at IS NOT NULL AND old.job = noted.job
       AND old.finished_at < statement_timestamp() - %(kept)s::interval
)
SELECT job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, finished_at, counts, error
  FROM noted
"""

_FIND: Final[LiteralString] = """
SELECT job, tick, scheduled, ticks, status, runner, attempts, failures, started_at, free_at, finished_at, counts, error
  FROM job_runs
 WHERE job = %(job)s::text AND tick = %(tick)s::timestamptz
"""

_KEPT: Final = timedelta(days=90)


class PostgresJobLedger:
    """The `JobLedger` port on PostgreSQL: the table `job_runs`, each method one statement on it.

    On the connections for new work, which what PDI was already asked never waits for.
    """

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def standing(self, job: JobName) -> JobStanding:
        """See `JobLedger.standing`."""
        rows = await read(self._lane, _STANDING, {"job": job.value})
        runs = {row[2]: _run(row[3:]) for row in rows if row[2] is not None}
        return JobStanding(now=rows[0][0], last_tick=rows[0][1], open=runs.get("open"), ended=runs.get("ended"))

    async def begin(self, tick: Tick, runner: str, lease: timedelta) -> JobRun | None:
        """See `JobLedger.begin`."""
        parameters = {
            "job": tick.job.value,
            "tick": tick.at,
            "scheduled": tick.scheduled,
            "ticks": tick.ticks,
            "runner": runner,
            "lease": lease,
        }
        return _first(await read(self._lane, _BEGIN, parameters))

    async def take_over(self, run: JobRun, runner: str, lease: timedelta) -> JobRun | None:
        """See `JobLedger.take_over`."""
        return _first(await read(self._lane, _TAKE_OVER, {**_identity(run), "runner": runner, "lease": lease}))

    async def renew(self, run: JobRun, lease: timedelta) -> None:
        """See `JobLedger.renew`."""
        await self._note(run, RunStatus.RUNNING, lease)

    async def put_back(self, run: JobRun, pause: timedelta) -> None:
        """See `JobLedger.put_back`."""
        await self._note(run, RunStatus.WAITING, pause)

    async def finish(self, run: JobRun, status: RunStatus) -> JobRun:
        """See `JobLedger.finish`."""
        return await self._note(run, status, None)

    async def find(self, job: JobName, tick: datetime) -> JobRun | None:
        """See `JobLedger.find`."""
        return _first(await read(self._lane, _FIND, {"job": job.value, "tick": tick}))

    async def _note(self, run: JobRun, status: RunStatus, free_in: timedelta | None) -> JobRun:
        parameters: dict[str, Any] = {
            **_identity(run),
            "status": status.value,
            "counts": msgspec.json.encode(run.counts).decode(),
            "failures": run.failures,
            "error": run.error,
            "free_in": free_in,
            "kept": _KEPT,
        }
        noted = _first(await read(self._lane, _NOTE, parameters))
        if noted is None:
            raise RunLost
        return noted


def _identity(run: JobRun) -> dict[str, Any]:
    return {"job": run.job.value, "tick": run.tick, "attempts": run.attempts}


def _first(rows: list[Row]) -> JobRun | None:
    return _run(rows[0]) if rows else None


def _run(row: Row) -> JobRun:
    job, tick, scheduled, ticks, status, runner, attempts, failures, started, free, finished, counts, error = row
    return JobRun(
        job=JobName(job),
        tick=tick,
        scheduled=scheduled,
        ticks=ticks,
        status=RunStatus(status),
        runner=runner,
        attempts=attempts,
        failures=failures,
        started_at=started,
        free_at=free,
        finished_at=finished,
        counts=_COUNTS.decode(counts),
        error=error,
    )


_COUNTS: Final = msgspec.json.Decoder(dict[str, int])
