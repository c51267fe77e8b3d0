from collections.abc import Callable
from datetime import datetime
from typing import Final

from loyalty_core.ports.job_ledger import JobLedger, JobRun, JobStanding, Tick
from loyalty_core.ports.schedule import Schedule
from loyalty_core.use_cases.jobs import Job
from loyalty_core.use_cases.run_job import Portion, RunJob, RunPolicy

LONGEST_LOOK: Final = 15.0
"""Seconds to the next look at the latest: how late a run whose holder died is noticed, beyond the lease."""
_SHORTEST_LOOK: Final = 0.05


class KeepSchedule:
    """Runs a job when its schedule says so. Any number of workers may keep the same schedules side by side.

    What was left unfinished goes before what is due. Ticks that were missed, because no worker was there or a run took
    longer than the time between two of them, are caught up by one run, at the latest of them. A job that has never run
    begins with the latest tick there was.
    """

    def __init__(self, ledger: JobLedger, run_job: RunJob, runner: str, policy: RunPolicy | None = None) -> None:
        """`runner` names this worker to people who look at the ledger."""
        self._ledger = ledger
        self._run_job = run_job
        self._runner = runner
        self._policy = policy or RunPolicy()

    async def __call__(
        self, job: Job, schedule: Schedule, portion: Portion, *, should_stop: Callable[[], bool] = lambda: False
    ) -> float:
        """Run the job if it is due and free, to its end; the seconds after which the next look makes sense.

        Raises:
            StorageUnavailable, Overloaded: it could not be told whether it is due.
        """
        standing = await self._ledger.standing(job.name)
        run = await self._claimed(job, schedule, standing)
        if run is None:
            return _pause(standing, schedule)
        await self._run_job(job, run, portion, should_stop=should_stop)
        return _SHORTEST_LOOK

    async def _claimed(self, job: Job, schedule: Schedule, standing: JobStanding) -> JobRun | None:
        if standing.open is not None:
            if standing.open.free_at is None or standing.open.free_at > standing.now:
                return None
            return await self._ledger.take_over(standing.open, self._runner, self._policy.lease)
        at = schedule.last(standing.now)
        if at is None or (standing.last_tick is not None and at <= standing.last_tick):
            return None
        ticks = 1 if standing.last_tick is None else max(1, schedule.count(standing.last_tick, at))
        return await self._ledger.begin(Tick(job=job.name, at=at, ticks=ticks), self._runner, self._policy.lease)


def _pause(standing: JobStanding, schedule: Schedule) -> float:
    """Until the open run is free, or else the next tick has come; never for long, for anybody may die at any time."""
    when: datetime | None = schedule.next(standing.now) if standing.open is None else standing.open.free_at
    if when is None:
        return LONGEST_LOOK
    return min(max((when - standing.now).total_seconds(), _SHORTEST_LOOK), LONGEST_LOOK)
