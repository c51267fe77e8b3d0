"""A ledger, a clock and a job in memory, all of which do what a test wants."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.job_ledger import MemoryJobLedger
from loyalty_core.ports.job_ledger import JobName, JobRun, Tick
from loyalty_core.ports.observer import NullObserver, RunEnding
from loyalty_core.use_cases.jobs import Batch
from loyalty_core.use_cases.keep_schedule import KeepSchedule
from loyalty_core.use_cases.run_job import Portion, RunJob, RunPolicy

JOB: Final = JobName.EXPIRE_SESSIONS
START: Final = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
POLICY: Final = RunPolicy(lease=timedelta(seconds=30), attempts=3, first_pause=timedelta(seconds=10))
TENS: Final = Portion(batch=10)


class Heap:
    """The job of a test: a heap of things to do. `meddle` is called in each batch, before its things are done."""

    name = JOB

    def __init__(self, things: int) -> None:
        self.things = things
        self.batches: list[tuple[datetime, int]] = []
        self.meddle: Callable[[], object] = lambda: None
        self.hold: asyncio.Event | None = None

    async def due(self, now: datetime) -> int:  # noqa: ARG002 - the same at any time
        return self.things

    async def __call__(self, now: datetime, limit: int) -> Batch:
        self.batches.append((now, limit))
        if self.hold is not None:
            await self.hold.wait()
        self.meddle()
        done = min(limit, self.things)
        self.things -= done
        return Batch(counts={"done": done, "batches": 1}, taken=done, done=done < limit)


class Ears(NullObserver):
    """Remembers what became of runs."""

    def __init__(self) -> None:
        self.inside: list[JobRun] = []
        self.ended: list[tuple[RunEnding, float]] = []

    @contextmanager
    def running(self, run: JobRun) -> Iterator[None]:
        self.inside.append(run)
        try:
            yield
        finally:
            self.inside.remove(run)

    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        assert self.inside
        assert run.job is JOB
        self.ended.append((ending, seconds))


class EveryMinute:
    """A tick at each full minute since the beginning."""

    def last(self, now: datetime) -> datetime | None:
        return None if now < START else now.replace(second=0, microsecond=0)

    def next(self, now: datetime) -> datetime | None:
        return START if now < START else now.replace(second=0, microsecond=0) + MINUTE

    def count(self, after: datetime, until: datetime) -> int:
        return (until - after) // MINUTE


class Bench:
    """Everything a run needs, at ten o'clock."""

    def __init__(self, things: int = 0) -> None:
        self.clock = ManualClock(START)
        self.ledger = MemoryJobLedger(self.clock)
        self.ears = Ears()
        self.heap = Heap(things)
        self.run_job = RunJob(self.ledger, self.clock, self.ears, POLICY)
        self.schedule = EveryMinute()
        self.keep = KeepSchedule(self.ledger, self.run_job, "one", POLICY)

    async def begun(self, *, scheduled: bool = True) -> JobRun:
        run = await self.ledger.begin(Tick(job=JOB, at=self.clock.now(), scheduled=scheduled), "one", POLICY.lease)
        assert run is not None
        return run

    async def look(self) -> float:
        """One look of a worker."""
        return await self.keep(self.heap, self.schedule, TENS)

    def runs(self) -> list[JobRun]:
        return [self.ledger.runs[key] for key in sorted(self.ledger.runs)]
