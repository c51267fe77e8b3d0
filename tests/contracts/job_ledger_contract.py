"""What every `JobLedger` promises: a tick has one run, a job one that has not ended, a run one holder."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
import pytest

from loyalty_core.ports.job_ledger import JobLedger, JobName, JobRun, JobStanding, RunLost, RunStatus, Tick

JOB: Final = JobName.EXPIRE_SESSIONS
OTHER: Final = JobName.RECONCILE
LEASE: Final = timedelta(seconds=30)
AT_ONCE: Final = timedelta(0)
MINUTE: Final = timedelta(minutes=1)


class Book(NamedTuple):
    """An empty ledger, and how to make time pass in it."""

    ledger: JobLedger
    age: Callable[[timedelta], Awaitable[None]]
    """Everything that happened in the ledger is longer ago by that much; ticks stay what they are."""

    async def standing(self) -> JobStanding:
        return await self.ledger.standing(JOB)

    async def tick(self, ago: timedelta = MINUTE) -> Tick:
        """A tick of the schedule, that long ago."""
        return Tick(job=JOB, at=(await self.standing()).now - ago)

    async def begun(self, tick: Tick | None = None, lease: timedelta = LEASE) -> JobRun:
        run = await self.ledger.begin(tick or await self.tick(), "one", lease)
        assert run is not None
        return run

    async def found(self, run: JobRun) -> JobRun:
        found = await self.ledger.find(run.job, run.tick)
        assert found is not None
        return found


class JobLedgerContract:
    """Subclasses supply the fixture `book`."""

    async def test_a_job_that_never_ran(self, book: Book) -> None:
        """Nothing is open, nothing has ended, and the ledger tells its time."""
        standing = await book.standing()
        assert (None, None, None) == (standing.last_tick, standing.open, standing.ended)
        assert await book.ledger.find(JOB, standing.now) is None

    async def test_a_run_begins(self, book: Book) -> None:
        """It is held until the lease ends, and stands open with what it is for."""
        tick = msgspec.structs.replace(await book.tick(), ticks=3)
        run = await book.begun(tick)
        assert (JOB, tick.at, True, 3, RunStatus.RUNNING, "one", 1, 0, {}, None, None) == (
            run.job, run.tick, run.scheduled, run.ticks, run.status, run.runner, run.attempts, run.failures,
            run.counts, run.error, run.finished_at,
        )  # fmt: skip
        assert run.started_at + LEASE == run.free_at
        standing = await book.standing()
        assert (run, run.tick, None) == (standing.open, standing.last_tick, standing.ended)
        assert run == await book.found(run)

    async def test_no_two_runs_of_a_job_overlap(self, book: Book) -> None:
        """While one is open no other begins, of whichever tick, scheduled or by hand; another job's does."""
        run = await book.begun()
        later = msgspec.structs.replace(await book.tick(), at=run.tick + MINUTE)
        by_hand = msgspec.structs.replace(later, scheduled=False)
        assert [None, None] == [await book.ledger.begin(tick, "two", LEASE) for tick in (later, by_hand)]
        other = await book.ledger.begin(msgspec.structs.replace(later, job=OTHER), "two", LEASE)
        assert other is not None
        assert [run, other] == [(await book.ledger.standing(job)).open for job in (JOB, OTHER)]

    async def test_a_tick_has_one_run(self, book: Book) -> None:
        """It never begins again, neither after it was done nor after it failed, nor does an earlier one."""
        for status in (RunStatus.DONE, RunStatus.FAILED):
            tick = await book.tick()
            run = await book.begun(tick)
            await book.ledger.finish(msgspec.structs.replace(run, error="x"), status)
            earlier = msgspec.structs.replace(tick, at=tick.at - MINUTE)
            by_hand = msgspec.structs.replace(tick, scheduled=False)
            assert [None] * 3 == [await book.ledger.begin(it, "two", LEASE) for it in (tick, earlier, by_hand)]

    async def test_an_operator_may_name_an_earlier_moment(self, book: Book) -> None:
        """A run by hand need not be later than the schedule's, and does not stand for a tick of the schedule."""
        await book.ledger.finish(await book.begun(), RunStatus.DONE)
        tick = await book.tick(2 * MINUTE)
        run = await book.begun(msgspec.structs.replace(tick, scheduled=False))
        standing = await book.standing()
        assert (run, False) == (standing.open, run.scheduled)
        assert standing.last_tick is not None
        assert standing.last_tick > run.tick

    async def test_a_run_ends(self, book: Book) -> None:
        """With its counts; it is no longer open, and the last that has ended. To say so twice changes nothing."""
        run = msgspec.structs.replace(await book.begun(), counts={"expired": 7, "skipped": 0})
        done = await book.ledger.finish(run, RunStatus.DONE)
        assert (RunStatus.DONE, None, {"expired": 7, "skipped": 0}) == (done.status, done.free_at, done.counts)
        assert done.finished_at is not None
        assert done.started_at <= done.finished_at
        assert done == await book.ledger.finish(run, RunStatus.DONE)
        standing = await book.standing()
        assert (None, done) == (standing.open, standing.ended)

    async def test_the_run_that_ended_last_is_known(self, book: Book) -> None:
        """By when it ended, whatever its tick."""
        await book.ledger.finish(await book.begun(), RunStatus.DONE)
        tick = msgspec.structs.replace(await book.tick(2 * MINUTE), scheduled=False)
        run = msgspec.structs.replace(await book.begun(tick), error="broken", failures=1)
        failed = await book.ledger.finish(run, RunStatus.FAILED)
        standing = await book.standing()
        assert (failed, RunStatus.FAILED, "broken", 1) == (standing.ended, failed.status, failed.error, failed.failures)

    async def test_a_held_run_is_nobody_elses(self, book: Book) -> None:
        """Before its lease ends nobody takes it over."""
        run = await book.begun()
        assert await book.ledger.take_over(run, "two", LEASE) is None
        assert run == await book.found(run)

    async def test_a_lease_that_ended_frees_the_run(self, book: Book) -> None:
        """The next one takes it up under the same row; whoever held it before can write no more."""
        run = msgspec.structs.replace(await book.begun(lease=AT_ONCE), counts={"expired": 2})
        await book.ledger.renew(run, AT_ONCE)
        taken = await book.ledger.take_over(run, "two", LEASE)
        assert taken is not None
        assert ("two", 2, RunStatus.RUNNING, {"expired": 2}, run.started_at) == (
            taken.runner, taken.attempts, taken.status, taken.counts, taken.started_at
        )  # fmt: skip
        for write in (
            book.ledger.renew(run, LEASE),
            book.ledger.put_back(run, AT_ONCE),
            book.ledger.finish(run, RunStatus.DONE),
        ):
            with pytest.raises(RunLost):
                await write
        assert taken == await book.found(run)

    async def test_renewing_keeps_the_run(self, book: Book) -> None:
        """The lease runs from now on, the counts are noted, nobody gets in."""
        run = msgspec.structs.replace(await book.begun(lease=AT_ONCE), counts={"expired": 5})
        await book.ledger.renew(run, LEASE)
        kept = await book.found(run)
        assert ({"expired": 5}, 1, RunStatus.RUNNING) == (kept.counts, kept.attempts, kept.status)
        assert await book.ledger.take_over(kept, "two", LEASE) is None

    async def test_a_run_that_is_put_back_waits_for_its_pause(self, book: Book) -> None:
        """Until then nobody takes it up; then anybody does, and its counts, failures and error are there."""
        run = await book.begun()
        broken = msgspec.structs.replace(run, counts={"expired": 1}, failures=1, error="storage_unavailable: away")
        await book.ledger.put_back(broken, MINUTE)
        waiting = await book.found(run)
        assert RunStatus.WAITING is waiting.status
        assert await book.ledger.take_over(waiting, "two", LEASE) is None
        assert waiting == (await book.standing()).open
        await book.age(MINUTE)
        taken = await book.ledger.take_over(waiting, "two", LEASE)
        assert taken is not None
        assert (2, {"expired": 1}, 1, "storage_unavailable: away") == (
            taken.attempts, taken.counts, taken.failures, taken.error
        )  # fmt: skip

    async def test_a_run_that_has_ended_is_not_taken_up(self, book: Book) -> None:
        """Neither taken over, nor renewed, nor put back."""
        run = await book.begun(lease=AT_ONCE)
        done = await book.ledger.finish(run, RunStatus.DONE)
        assert await book.ledger.take_over(run, "two", LEASE) is None
        for write in (book.ledger.renew(run, LEASE), book.ledger.put_back(run, LEASE)):
            with pytest.raises(RunLost):
                await write
        assert done == await book.found(run)

    async def test_a_run_nobody_knows_is_lost(self, book: Book) -> None:
        """Where its row is gone there is nothing to write to, and nothing to take over."""
        run = msgspec.structs.replace(await book.begun(), tick=(await book.standing()).now)
        with pytest.raises(RunLost):
            await book.ledger.renew(run, LEASE)
        assert await book.ledger.take_over(run, "two", LEASE) is None

    async def test_of_many_one_begins(self, book: Book) -> None:
        """Sixteen runners ask for the same tick at once, ten times over: each time one of them has it."""
        for _ in range(10):
            tick = await book.tick()
            asked = (book.ledger.begin(tick, f"runner {number}", LEASE) for number in range(16))
            (run,) = [run for run in await asyncio.gather(*asked) if run is not None]
            assert run == await book.found(run)
            await book.ledger.finish(run, RunStatus.DONE)

    async def test_of_many_one_takes_over(self, book: Book) -> None:
        """Sixteen runners find the same dead runner's run at once: one of them has it."""
        run = await book.begun(lease=AT_ONCE)
        for attempts in range(2, 7):
            asked = (book.ledger.take_over(run, f"runner {number}", AT_ONCE) for number in range(16))
            (taken,) = [taken for taken in await asyncio.gather(*asked) if taken is not None]
            assert attempts == taken.attempts
            run = taken

    async def test_old_rows_go_as_new_ones_end(self, book: Book) -> None:
        """What ended longer than 90 days ago is dropped when a run of that job ends; what is younger stays."""
        runs = [await book.ledger.finish(await book.begun(), RunStatus.DONE)]
        for days in (60, 31):
            await book.age(timedelta(days=days))
            runs.append(await book.ledger.finish(await book.begun(), RunStatus.DONE))
        there = [await book.ledger.find(JOB, run.tick) is not None for run in runs]
        assert [False, True, True] == there
