"""One run of a job, from the moment somebody holds it to the moment nobody does."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NoReturn

import msgspec

from loyalty_core.domain.errors import LoyaltyError, Overloaded, StorageUnavailable
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.job_ledger import JobLedger, JobRun, RunLost, RunStatus
from loyalty_core.ports.observer import Observer, RunEnding
from loyalty_core.use_cases.jobs import Batch, Job

STOPPED_BY_HAND: Final = "stopped by hand"
_AT_ONCE: Final = timedelta(0)
_NOTED_EVERY: Final = 0.5
"""Seconds between two notes in the ledger of how far a run has got."""


class RunPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a run is held, and how often it is tried."""

    lease: timedelta = timedelta(seconds=30)
    """After so long without a sign of life a runner counts as dead, and others may take its run up."""
    attempts: int = 5
    """So many attempts of a scheduled run may end with an error before it is given up; by hand, one."""
    first_pause: timedelta = timedelta(seconds=10)
    """Between an error and the next attempt; doubles with each error."""
    longest_pause: timedelta = timedelta(minutes=5)

    def pause_after(self, failures: int) -> timedelta:
        """The pause after so many errors."""
        return min(self.first_pause * (1 << min(failures - 1, 30)), self.longest_pause)


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be done, and how far."""

    batch: int
    """The size of a batch."""
    most: int | None = None
    """How much is enough, in the unit of `Job.due`; without it, all there is."""

    def next_batch(self, taken: int) -> int:
        """How large the next batch may be where so much was taken."""
        return self.batch if self.most is None else max(1, min(self.batch, self.most - taken))

    def is_enough(self, taken: int) -> bool:
        """Whether no more is wanted."""
        return self.most is not None and taken >= self.most


class RunJob:
    """Does a run batch after batch, holding it by a lease, until it is done, fails, or somebody wants it to stop."""

    def __init__(self, ledger: JobLedger, clock: Clock, observer: Observer, policy: RunPolicy | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._observer = observer
        self._policy = policy or RunPolicy()

    async def __call__(
        self,
        job: Job,
        run: JobRun,
        portion: Portion,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[Batch], None] = lambda _: None,
    ) -> tuple[JobRun, RunEnding]:
        """Go on with `run`, which the caller holds; the run as it is then, and how this attempt at it ended.

        `should_stop` is asked before each batch; where it says yes, the run is put back for others to go on with.
        A caller that is cancelled gets there as well, in the middle of a batch; what that batch has not committed is
        not done. Errors of the job are recorded, not raised.
        """
        began = self._clock.monotonic()
        with self._observer.running(run):
            attempt = _Attempt(self._ledger, self._clock, self._policy, job, run)
            try:
                ending = await attempt.go_on(portion, should_stop, on_batch)
            except asyncio.CancelledError:
                ending = await asyncio.shield(attempt.stop())
                self._observer.run_ended(attempt.run, ending, self._clock.monotonic() - began)
                raise
            self._observer.run_ended(attempt.run, ending, self._clock.monotonic() - began)
        return attempt.run, ending


class _Attempt:
    """What one runner does with a run. `run` is the run as far as this runner knows."""

    def __init__(self, ledger: JobLedger, clock: Clock, policy: RunPolicy, job: Job, run: JobRun) -> None:
        self.run = run
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._job = job
        self._taken = 0
        self._noted = clock.monotonic()

    async def go_on(
        self, portion: Portion, should_stop: Callable[[], bool], on_batch: Callable[[Batch], None]
    ) -> RunEnding:
        try:
            while not should_stop():
                batch = await self._held(portion.next_batch(self._taken))
                self._add(batch)
                on_batch(batch)
                if batch.done or portion.is_enough(self._taken):
                    self.run = msgspec.structs.replace(self.run, error=None)
                    return await self._finished(RunStatus.DONE, RunEnding.DONE)
                await self._note_now_and_then()
            return await self.stop()
        except RunLost:
            return RunEnding.LOST
        except Exception as error:  # noqa: BLE001 - whatever a job fails with is recorded, and must not end the worker
            return await self._failed(_described(error))

    async def stop(self) -> RunEnding:
        """Let go of the run, unfinished: others go on with one of the schedule's; by hand, it has ended."""
        if not self.run.scheduled:
            return await self._failed(STOPPED_BY_HAND)
        return await self._put_back(_AT_ONCE, RunEnding.PUT_BACK)

    async def _held(self, size: int) -> Batch:
        """A batch, with signs of life where it takes long; dropped where another runner has taken the run up."""
        batch = asyncio.ensure_future(self._job(self.run.tick, size))
        alive = asyncio.ensure_future(self._signs_of_life())
        try:
            await asyncio.wait({batch, alive}, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                alive.result()
            return batch.result()
        finally:
            batch.cancel()
            alive.cancel()
            await asyncio.gather(batch, alive, return_exceptions=True)

    async def _note_now_and_then(self) -> None:
        """The counts, and with them the lease. Short batches need no note each: it costs a commit like theirs.

        Raises:
            RunLost: another runner has taken the run up.
        """
        now = self._clock.monotonic()
        if now - self._noted >= min(_NOTED_EVERY, self._policy.lease.total_seconds() / 4):
            await self._ledger.renew(self.run, self._policy.lease)
            self._noted = now

    async def _signs_of_life(self) -> NoReturn:
        """Renew the lease, again and again.

        Raises:
            RunLost: it is too late.
        """
        while True:
            await self._clock.sleep(self._policy.lease.total_seconds() / 3)
            try:
                await self._ledger.renew(self.run, self._policy.lease)
            except (StorageUnavailable, Overloaded):
                continue  # there is time for another before the lease ends; and then the batch fails as well

    def _add(self, batch: Batch) -> None:
        self._taken += batch.taken
        counts = dict(self.run.counts)
        for name, count in batch.counts.items():
            counts[name] = counts.get(name, 0) + count
        self.run = msgspec.structs.replace(self.run, counts=counts)

    async def _failed(self, error: str) -> RunEnding:
        run = self.run = msgspec.structs.replace(self.run, failures=self.run.failures + 1, error=error)
        if not run.scheduled or run.failures >= self._policy.attempts:
            return await self._finished(RunStatus.FAILED, RunEnding.FAILED)
        return await self._put_back(self._policy.pause_after(run.failures), RunEnding.PUT_OFF)

    # Where storage is away as well, nothing can be recorded: the run is as good as lost, and free when its lease ends.

    async def _finished(self, status: RunStatus, ending: RunEnding) -> RunEnding:
        try:
            self.run = await self._ledger.finish(self.run, status)
        except (RunLost, StorageUnavailable, Overloaded):
            return RunEnding.LOST
        return ending

    async def _put_back(self, pause: timedelta, ending: RunEnding) -> RunEnding:
        try:
            await self._ledger.put_back(self.run, pause)
        except (RunLost, StorageUnavailable, Overloaded):
            return RunEnding.LOST
        return ending


def _described(error: Exception) -> str:
    """What may be kept of an error: our own words of it, and of a bug its kind and place, for it may quote anything."""
    if isinstance(error, LoyaltyError):
        return f"{error.code}: {error.message}"
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" in {place.tb_frame.f_globals.get('__name__')}, line {place.tb_lineno}"
    return f"{type(error).__name__}{where}"
