"""The two jobs that clear away, over a shop in memory: what they take, what they leave, and what tills notice."""

from datetime import timedelta

from loyalty_adapters.memory.job_ledger import MemoryJobLedger
from loyalty_adapters.memory.sweeps import MemoryAnswerRecords, MemorySessionSweep
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.job_ledger import JobRun, Tick
from loyalty_core.ports.observer import NullObserver
from loyalty_core.use_cases.clear_answers import ClearAnswers
from loyalty_core.use_cases.expire_sessions import ExpireSessions
from loyalty_core.use_cases.jobs import Job
from loyalty_core.use_cases.run_job import Portion, RunJob
from tests.unit.use_cases.shop import TTL, Shop, finalize, identify, session_of


async def run(shop: Shop, job: Job) -> JobRun:
    """A run of the job at this moment, two at a time."""
    ledger = MemoryJobLedger(shop.clock)
    begun = await ledger.begin(Tick(job=job.name, at=shop.clock.now()), "one", timedelta(seconds=30))
    assert begun is not None
    ended, _ = await RunJob(ledger, shop.clock, NullObserver())(job, begun, Portion(batch=2))
    return ended


async def test_what_nobody_came_back_for_expires() -> None:
    """Open sessions past their time end, in batches; an intent under way and a settled sale stay; keys are free."""
    shop = Shop()
    job = ExpireSessions(MemorySessionSweep(shop.store), shop.notes)
    opened = [await shop.opened(f"TX-{number}") for number in range(2, 7)]
    sold = await shop.quoted()
    await shop.finalize(finalize(sold))
    shop.clock.advance(TTL.total_seconds() - 60)
    young = await shop.opened("TX-7")
    shop.clock.advance(61)
    assert 5 == await job.due(shop.clock.now())
    ended = await run(shop, job)
    assert ({"expired": 5}, 0) == (ended.counts, await job.due(shop.clock.now()))
    assert {SessionStatus.FAILED} == {(await shop.session(session)).status for session in opened}
    assert [SessionStatus.FINALIZED, SessionStatus.ACTIVE] == [
        (await shop.session(session)).status for session in (sold, young)
    ]
    again = await shop.identify(identify("TX-2"))
    assert (False, True) == (again.replayed, session_of(again) not in opened)


async def test_answers_are_kept_for_ten_minutes_and_rebuilt_ever_after() -> None:
    """Repeats of identify and finalize get the bytes of the first answer, before and after they were cleared."""
    shop = Shop()
    job = ClearAnswers(MemoryAnswerRecords(shop.store))
    first = await shop.identify(identify())
    session = session_of(first)
    settled = await shop.finalize(finalize(session))
    shop.clock.advance(599)
    assert (0, {"cleared": 0}) == (await job.due(shop.clock.now()), (await run(shop, job)).counts)
    shop.clock.advance(2)
    shop.cache.clear()
    assert (2, {"cleared": 2}) == (await job.due(shop.clock.now()), (await run(shop, job)).counts)
    found = await shop.store.find(session)
    assert found is not None
    assert {} == found.answers
    opened, booked = await shop.identify(identify()), await shop.finalize(finalize(session))
    assert (True, first.body, True, settled.body) == (opened.replayed, opened.body, booked.replayed, booked.body)
