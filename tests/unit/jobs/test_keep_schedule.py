import asyncio
from datetime import datetime, timedelta

import msgspec

from loyalty_core.ports.job_ledger import RunStatus, Tick
from loyalty_core.ports.observer import RunEnding
from loyalty_core.use_cases.keep_schedule import LONGEST_LOOK, KeepSchedule
from tests.unit.jobs.bench import JOB, MINUTE, POLICY, START, TENS, Bench, EveryMinute


async def test_a_tick_is_run_once_it_has_come() -> None:
    """Looked at again and again by two workers, each tick has one run, at its own time and not before."""
    bench = Bench()
    other = KeepSchedule(bench.ledger, bench.run_job, "two", POLICY)
    for _ in range(4 * 60):
        await asyncio.gather(bench.look(), other(bench.heap, bench.schedule, TENS))
        bench.clock.advance(0.5)
    assert [(START + number * MINUTE, RunStatus.DONE, 1) for number in range(2)] == [
        (run.tick, run.status, run.ticks) for run in bench.runs()
    ]
    assert [START, START + MINUTE] == [now for now, _ in bench.heap.batches]


async def test_a_job_that_never_ran_begins_with_the_latest_tick() -> None:
    """Ticks before that are nobody's; where there was none at all, nothing is run."""
    bench = Bench()
    bench.clock.advance(-90)
    assert LONGEST_LOOK == await bench.look()
    assert [] == bench.runs()
    bench.clock.advance(90 + 600 + 7)
    await bench.look()
    assert [(START + 10 * MINUTE, 1)] == [(run.tick, run.ticks) for run in bench.runs()]


async def test_missed_ticks_are_caught_up_by_one_run() -> None:
    """The latest of them has the run, which tells how many it stands for."""
    bench = Bench()
    await bench.look()
    bench.clock.advance(5 * 60 + 1)
    for _ in range(3):
        await bench.look()
    assert [(START, 1), (START + 5 * MINUTE, 5)] == [(run.tick, run.ticks) for run in bench.runs()]


async def test_what_was_left_unfinished_goes_first() -> None:
    """A run whose holder died is finished under its own tick once its lease has ended; then what is due is run."""
    bench = Bench(30)
    await bench.begun()
    for _ in range(3):
        bench.clock.advance(9)
        await bench.look()
    assert [] == bench.heap.batches
    bench.clock.advance(3 + 60)
    await bench.look()
    assert [(START, RunStatus.DONE, 2, "one", {"done": 30, "batches": 4})] == [
        (run.tick, run.status, run.attempts, run.runner, run.counts) for run in bench.runs()
    ]
    await bench.look()
    assert [START, START + MINUTE] == [run.tick for run in bench.runs()]


async def test_a_run_that_failed_for_good_holds_up_nobody() -> None:
    """The next tick has its own."""
    bench = Bench()
    run = await bench.begun()
    await bench.ledger.finish(msgspec.structs.replace(run, error="broken", failures=3), RunStatus.FAILED)
    await bench.look()
    assert [RunStatus.FAILED] == [run.status for run in bench.runs()]
    bench.clock.advance(60)
    await bench.look()
    assert [RunStatus.FAILED, RunStatus.DONE] == [run.status for run in bench.runs()]


async def test_a_run_by_hand_is_not_run_beside() -> None:
    """While somebody runs the job by hand its tick waits, and comes after; it still is a tick of its own."""
    bench = Bench()
    by_hand = await bench.ledger.begin(
        Tick(job=JOB, at=START - timedelta(seconds=1), scheduled=False), "ada", POLICY.lease
    )
    assert by_hand is not None
    await bench.look()
    assert [by_hand] == bench.runs()
    await bench.ledger.finish(by_hand, RunStatus.DONE)
    await bench.look()
    assert [(False, 1), (True, 1)] == [(run.scheduled, run.ticks) for run in bench.runs()]


async def test_the_next_look_comes_when_it_makes_sense() -> None:
    """At once after a run, else at the next tick, or when the lease in the way ends; never later than a while."""
    bench = Bench()
    assert await bench.look() < 1
    assert LONGEST_LOOK == await bench.look()
    bench.clock.advance(50)
    assert 10.0 == await bench.look()
    bench.clock.advance(10)
    run = await bench.begun()
    assert LONGEST_LOOK == await bench.look()
    bench.clock.advance(25)
    assert 5.0 == await bench.look()
    await bench.ledger.put_back(run, timedelta(seconds=2))
    assert 2.0 == await bench.look()


async def test_a_schedule_may_have_come_to_its_end() -> None:
    """Where no tick is to come, it is looked after all the same: somebody may leave a run unfinished."""
    bench = Bench()

    class Once(EveryMinute):
        def next(self, now: datetime) -> datetime | None:
            return None if now >= START else START

    bench.schedule = Once()
    await bench.look()
    assert LONGEST_LOOK == await bench.look()


async def test_one_who_is_to_stop_begins_nothing_it_would_have_to_drop() -> None:
    """Told to stop before its first batch, it puts back what it has claimed, untouched."""
    bench = Bench(5)
    await bench.keep(bench.heap, bench.schedule, TENS, should_stop=lambda: True)
    assert ([], [RunEnding.PUT_BACK]) == (bench.heap.batches, [ending for ending, _ in bench.ears.ended])
