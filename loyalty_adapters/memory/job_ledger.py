from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_core.ports.clock import Clock
from loyalty_core.ports.job_ledger import JobName, JobRun, JobStanding, RunLost, RunStatus, Tick

_KEPT: Final = timedelta(days=90)


class MemoryJobLedger:
    """The `JobLedger` port in memory. `runs` holds every run by its job and tick."""

    def __init__(self, clock: Clock) -> None:
        self.runs: dict[tuple[JobName, datetime], JobRun] = {}
        self._clock = clock

    async def standing(self, job: JobName) -> JobStanding:
        """See `JobLedger.standing`."""
        ours = [run for run in self.runs.values() if run.job is job]
        ended = [(run.finished_at, run) for run in ours if run.finished_at is not None]
        return JobStanding(
            now=self._clock.now(),
            last_tick=max((run.tick for run in ours if run.scheduled), default=None),
            open=next((run for run in ours if run.finished_at is None), None),
            ended=max(ended, key=lambda entry: entry[0])[1] if ended else None,
        )

    async def begin(self, tick: Tick, runner: str, lease: timedelta) -> JobRun | None:
        """See `JobLedger.begin`."""
        standing = await self.standing(tick.job)
        overtaken = tick.scheduled and standing.last_tick is not None and standing.last_tick > tick.at
        if overtaken or standing.open is not None or (tick.job, tick.at) in self.runs:
            return None
        now = self._clock.now()
        return self._put(
            JobRun(
                job=tick.job,
                tick=tick.at,
                scheduled=tick.scheduled,
                ticks=tick.ticks,
                status=RunStatus.RUNNING,
                runner=runner,
                attempts=1,
                started_at=now,
                free_at=now + lease,
            )
        )

    async def take_over(self, run: JobRun, runner: str, lease: timedelta) -> JobRun | None:
        """See `JobLedger.take_over`."""
        now, kept = self._clock.now(), self.runs.get((run.job, run.tick))
        if kept is None or kept.attempts != run.attempts or kept.free_at is None or kept.free_at > now:
            return None
        attempts = kept.attempts + 1
        return self._put(
            msgspec.structs.replace(
                kept, status=RunStatus.RUNNING, runner=runner, attempts=attempts, free_at=now + lease
            )
        )

    async def renew(self, run: JobRun, lease: timedelta) -> None:
        """See `JobLedger.renew`."""
        self._note(run, RunStatus.RUNNING, lease)

    async def put_back(self, run: JobRun, pause: timedelta) -> None:
        """See `JobLedger.put_back`."""
        self._note(run, RunStatus.WAITING, pause)

    async def finish(self, run: JobRun, status: RunStatus) -> JobRun:
        """See `JobLedger.finish`."""
        finished = self._note(run, status, None)
        old = self._clock.now() - _KEPT
        for key, other in list(self.runs.items()):
            if other.job is run.job and other.finished_at is not None and other.finished_at < old:
                del self.runs[key]
        return finished

    async def find(self, job: JobName, tick: datetime) -> JobRun | None:
        """See `JobLedger.find`."""
        return self.runs.get((job, tick))

    def _note(self, run: JobRun, status: RunStatus, free_in: timedelta | None) -> JobRun:
        now, kept = self._clock.now(), self.runs.get((run.job, run.tick))
        if kept is None or kept.attempts != run.attempts or kept.status not in {RunStatus.RUNNING, status}:
            raise RunLost
        return self._put(
            msgspec.structs.replace(
                kept,
                status=status,
                counts=dict(run.counts),
                failures=run.failures,
                error=run.error,
                free_at=None if free_in is None else now + free_in,
                finished_at=(kept.finished_at or now) if free_in is None else None,
            )
        )

    def _put(self, run: JobRun) -> JobRun:
        self.runs[run.job, run.tick] = run
        return run
