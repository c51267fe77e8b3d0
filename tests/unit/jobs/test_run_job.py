import asyncio
from datetime import timedelta

import pytest

from loyalty_core.domain.errors import Overloaded, StorageUnavailable
from loyalty_core.ports.job_ledger import JobRun, RunLost, RunStatus
from loyalty_core.ports.observer import RunEnding
from loyalty_core.use_cases.jobs import Batch
from loyalty_core.use_cases.run_job import STOPPED_BY_HAND, Portion, RunPolicy
from tests.unit.jobs.bench import JOB, POLICY, START, TENS, Bench


async def settled() -> None:
    """Until everybody who can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_batch_after_batch_until_nothing_is_left() -> None:
    """Each batch at the run's own tick, counts summed up, the end on record and told, every batch shown."""
    bench = Bench(25)
    shown: list[Batch] = []
    bench.heap.meddle = lambda: bench.clock.advance(2)
    run, ending = await bench.run_job(bench.heap, await bench.begun(), TENS, on_batch=shown.append)
    assert [(START, 10)] * 3 == bench.heap.batches
    assert (RunEnding.DONE, RunStatus.DONE, {"done": 25, "batches": 3}, None) == (
        ending, run.status, run.counts, run.error
    )  # fmt: skip
    assert START + timedelta(seconds=6) == run.finished_at
    assert [10, 10, 5] == [batch.taken for batch in shown]
    assert [(RunEnding.DONE, 6.0)] == bench.ears.ended
    assert [run] == bench.runs()


async def test_the_lease_is_renewed_between_batches() -> None:
    """A run of many short batches outlasts its first lease by far, its counts on record after each."""
    bench = Bench(50)
    seen: list[tuple[int, bool]] = []

    def meddle() -> None:
        (run,) = bench.runs()
        seen.append((run.counts.get("done", 0), run.free_at is not None and run.free_at > bench.clock.now()))
        bench.clock.advance(25)

    bench.heap.meddle = meddle
    _, ending = await bench.run_job(bench.heap, await bench.begun(), TENS)
    assert RunEnding.DONE is ending
    assert [(0, True), (10, True), (20, True), (30, True), (40, True), (50, True)] == seen


async def test_the_lease_is_renewed_within_a_long_batch() -> None:
    """A batch that takes longer than the lease is nobody else's either."""
    bench = Bench(5)
    bench.heap.hold = asyncio.Event()
    going = asyncio.create_task(bench.run_job(bench.heap, await bench.begun(), TENS))
    for _ in range(12):
        await settled()
        assert bench.clock.advance_to_next_sleeper()
    await settled()
    (run,) = bench.runs()
    assert bench.clock.monotonic() > 100
    assert run.free_at is not None
    assert run.free_at > bench.clock.now()
    bench.heap.hold.set()
    _, ending = await going
    assert RunEnding.DONE is ending
    assert not bench.clock.advance_to_next_sleeper()


async def test_a_sign_of_life_that_does_not_get_through_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that is away for a moment ends no batch."""
    bench = Bench(5)
    bench.heap.hold = asyncio.Event()
    renew, away = bench.ledger.renew, [StorageUnavailable(), Overloaded()]

    async def brittle(run: JobRun, lease: timedelta) -> None:
        if away:
            raise away.pop()
        await renew(run, lease)

    monkeypatch.setattr(bench.ledger, "renew", brittle)
    going = asyncio.create_task(bench.run_job(bench.heap, await bench.begun(), TENS))
    for _ in range(3):
        await settled()
        assert bench.clock.advance_to_next_sleeper()
    await settled()
    bench.heap.hold.set()
    assert ([], RunEnding.DONE) == (away, (await going)[1])


async def test_short_batches_are_noted_now_and_then() -> None:
    """A note costs as much as a short batch: it is made about twice a second, and always with the whole count."""
    bench = Bench(1000)
    noted: list[int] = []

    def meddle() -> None:
        (run,) = bench.runs()
        noted.append(run.counts.get("done", 0))
        bench.clock.advance(0.125)

    bench.heap.meddle = meddle
    await bench.run_job(bench.heap, await bench.begun(), TENS)
    assert [40 * (batch // 4) for batch in range(101)] == noted


async def test_a_run_that_was_taken_up_by_another_is_let_go() -> None:
    """A runner that was away for longer than its lease finds out soon after a batch, and writes nothing to the run."""
    bench = Bench(50)
    run = await bench.begun()
    bench.clock.advance(31)
    taken = await bench.ledger.take_over(run, "two", POLICY.lease)
    bench.heap.meddle = lambda: bench.clock.advance(0.3)
    _, ending = await bench.run_job(bench.heap, run, TENS)
    assert (RunEnding.LOST, [taken], 30) == (ending, bench.runs(), bench.heap.things)
    assert [RunEnding.LOST] == [told for told, _ in bench.ears.ended]


async def test_a_long_batch_of_a_lost_run_is_dropped() -> None:
    """Its runner finds out in the middle of it, and does not wait for its end."""
    bench = Bench(50)
    run = await bench.begun()
    bench.clock.advance(31)
    taken = await bench.ledger.take_over(run, "two", POLICY.lease)
    bench.heap.hold = asyncio.Event()
    going = asyncio.create_task(bench.run_job(bench.heap, run, TENS))
    await settled()
    bench.clock.advance(10)
    _, ending = await going
    assert (RunEnding.LOST, [taken], 50) == (ending, bench.runs(), bench.heap.things)
    assert [(RunEnding.LOST, 10.0)] == bench.ears.ended


async def test_one_who_is_to_stop_puts_the_run_back_at_once() -> None:
    """Asked between batches, it leaves the rest to others, who may begin that very moment under the same row."""
    bench = Bench(100)
    run, ending = await bench.run_job(
        bench.heap, await bench.begun(), TENS, should_stop=lambda: len(bench.heap.batches) == 3
    )
    assert (RunEnding.PUT_BACK, 70) == (ending, bench.heap.things)
    (left,) = bench.runs()
    assert (RunStatus.WAITING, bench.clock.now(), {"done": 30, "batches": 3}, 0) == (
        left.status, left.free_at, left.counts, left.failures
    )  # fmt: skip
    taken = await bench.ledger.take_over(left, "two", POLICY.lease)
    assert taken is not None
    done, ending = await bench.run_job(bench.heap, taken, TENS)
    assert (RunEnding.DONE, run.tick, {"done": 100, "batches": 11}, 2) == (
        ending, done.tick, done.counts, done.attempts
    )  # fmt: skip
    assert [done] == bench.runs()


async def test_one_who_is_cancelled_puts_the_run_back() -> None:
    """In the middle of a batch; what is cancelled stays cancelled."""
    bench = Bench(100)
    bench.heap.hold = asyncio.Event()
    going = asyncio.create_task(bench.run_job(bench.heap, await bench.begun(), TENS))
    await settled()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    (left,) = bench.runs()
    assert (RunStatus.WAITING, 100, [(RunEnding.PUT_BACK, 0.0)]) == (left.status, bench.heap.things, bench.ears.ended)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Overloaded(), "overloaded: "),
        (KeyError("555-0199"), "KeyError in tests.unit.jobs.test_run_job, line "),
    ],
)
async def test_an_error_is_recorded_and_tried_again(error: Exception, words: str) -> None:
    """After a pause that grows, a bounded number of times; what a bug has to say of customers is not kept."""
    bench = Bench(100)
    run: JobRun | None = await bench.begun()

    def fail() -> None:
        if len(bench.heap.batches) % 2 == 0:
            raise error

    bench.heap.meddle = fail
    pauses = []
    for failures in (1, 2):
        assert run is not None
        _, ending = await bench.run_job(bench.heap, run, TENS)
        (left,) = bench.runs()
        assert (RunEnding.PUT_OFF, RunStatus.WAITING, failures) == (ending, left.status, left.failures)
        assert left.error is not None
        assert left.error.startswith(words)
        assert "555" not in left.error
        assert left.free_at is not None
        pauses.append((left.free_at - bench.clock.now()).total_seconds())
        assert await bench.ledger.take_over(left, "two", POLICY.lease) is None
        bench.clock.advance(pauses[-1])
        run = await bench.ledger.take_over(left, "two", POLICY.lease)
    assert [10.0, 20.0] == pauses
    assert run is not None
    failed, ending = await bench.run_job(bench.heap, run, TENS)
    assert (RunEnding.FAILED, RunStatus.FAILED, 3, {"done": 30, "batches": 3}) == (
        ending, failed.status, failed.failures, failed.counts
    )  # fmt: skip
    assert failed.error is not None
    assert failed.error.startswith(words)
    assert [failed] == bench.runs()


async def test_an_error_that_was_overcome_is_no_longer_told() -> None:
    """The run that is done in the end has no error; how often it failed is kept."""
    bench = Bench(5)
    bench.heap.meddle = lambda: (_ for _ in ()).throw(Overloaded()) if len(bench.heap.batches) == 1 else None
    await bench.run_job(bench.heap, await bench.begun(), TENS)
    bench.clock.advance(10)
    taken = await bench.ledger.take_over(bench.runs()[0], "two", POLICY.lease)
    assert taken is not None
    run, ending = await bench.run_job(bench.heap, taken, TENS)
    assert (RunEnding.DONE, None, 1) == (ending, run.error, run.failures)


async def test_what_somebody_runs_by_hand_fails_at_once() -> None:
    """They see the error, and nobody goes on with it behind their back; nor where they stop it themselves."""
    bench = Bench(100)
    bench.heap.meddle = lambda: (_ for _ in ()).throw(Overloaded())
    run, ending = await bench.run_job(bench.heap, await bench.begun(scheduled=False), TENS)
    assert (RunEnding.FAILED, RunStatus.FAILED) == (ending, run.status)
    bench.clock.advance(1)
    bench.heap.hold = asyncio.Event()
    going = asyncio.create_task(bench.run_job(bench.heap, await bench.begun(scheduled=False), TENS))
    await settled()
    going.cancel()
    await asyncio.wait([going])
    stopped = bench.runs()[1]
    assert (RunStatus.FAILED, STOPPED_BY_HAND) == (stopped.status, stopped.error)


@pytest.mark.parametrize("stops", [False, True], ids=["finish", "put back"])
@pytest.mark.parametrize("error", [StorageUnavailable(), Overloaded(), RunLost()])
async def test_where_storage_is_away_the_lease_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, stops: bool
) -> None:
    """What became of the run can't be recorded; that is told, and raised to nobody."""
    bench = Bench(5)
    run = await bench.begun()

    async def away(*_: object) -> JobRun:
        raise error

    monkeypatch.setattr(bench.ledger, "finish", away)
    monkeypatch.setattr(bench.ledger, "put_back", away)
    _, ending = await bench.run_job(bench.heap, run, TENS, should_stop=lambda: stops)
    assert (RunEnding.LOST, [run]) == (ending, bench.runs())


async def test_enough_is_enough() -> None:
    """With a limit a run takes no more than that, in batches no larger than they need be, and is done."""
    bench = Bench(100)
    run, ending = await bench.run_job(bench.heap, await bench.begun(), Portion(batch=10, most=25))
    assert (RunEnding.DONE, {"done": 25, "batches": 3}) == (ending, run.counts)
    assert [10, 10, 5] == [size for _, size in bench.heap.batches]


def test_pauses_grow_to_a_limit() -> None:
    """Ten seconds, twice that, and so on, never more than five minutes, however often it failed."""
    policy = RunPolicy()
    pauses = [policy.pause_after(failures).total_seconds() for failures in (1, 2, 3, 5, 6, 7, 1000)]
    assert [10, 20, 40, 160, 300, 300, 300] == pauses
    assert JOB.value == "expire-sessions"
