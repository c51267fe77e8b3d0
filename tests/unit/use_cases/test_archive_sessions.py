"""The job that puts away what ended long ago, and what calls meet afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty_adapters.memory.session_archive import MemorySessionArchive
from loyalty_core.domain.errors import SessionNotFound, TransactionMismatch
from loyalty_core.domain.identifiers import SessionId, TransactionId
from loyalty_core.ports.session_archive import Archived
from loyalty_core.use_cases.archive_sessions import KEPT_LIVE, ArchiveSessions
from loyalty_core.use_cases.jobs import JobName
from tests.unit.use_cases.shop import Shop, calculate, cancel, finalize, identify, session_of, status

DAY = timedelta(days=1)


async def _sold(shop: Shop, transaction: str) -> SessionId:
    session = await shop.opened(transaction)
    await shop.calculate(calculate(session))
    await shop.finalize(finalize(session, transaction=TransactionId(transaction)))
    return session


async def test_a_run_goes_batch_by_batch() -> None:
    """Sessions are counted before and after, with their timelines; the batch that is not full is the last."""
    shop = Shop()
    for number in range(5):
        await _sold(shop, f"T-{number}")
    job = ArchiveSessions(MemorySessionArchive(shop.store))
    now = shop.clock.now()
    assert (JobName.ARCHIVE_FINALIZED, 0) == (job.name, await job.due(now + KEPT_LIVE))
    then = now + KEPT_LIVE + DAY
    assert 5 == await job.due(then)
    batches = [await job(then, 2) for _ in range(3)]
    assert [(2, False), (2, False), (1, True)] == [(batch.taken, batch.done) for batch in batches]
    assert [2, 2, 1] == [batch.counts["archived"] for batch in batches]
    assert {"archived", "events", "returns", "held_back"} == set(batches[0].counts)
    assert len(shop.store.timeline) == sum(batch.counts["events"] for batch in batches)
    assert 0 == await job.due(then)


class _Steps:
    """An archive that notes from where it was asked to go on."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime | None]] = []

    async def due(self, before: datetime) -> int:
        raise NotImplementedError

    async def move(self, before: datetime, limit: int, after: datetime | None = None) -> Archived:
        self.asked.append((before, after))
        return Archived(seen=limit, sessions=limit, last=before - DAY)


async def test_each_run_begins_at_the_beginning() -> None:
    """Within a run each batch goes on where the last one ended; the next run looks again at what was passed over."""
    steps = _Steps()
    job = ArchiveSessions(steps, kept_live=10 * DAY)
    today = datetime(2026, 3, 1, 2, tzinfo=UTC)
    for now in (today, today, today + DAY):
        assert not (await job(now, 10)).done
    cut = today - 10 * DAY
    assert [(cut, None), (cut, cut - DAY), (cut + DAY, None)] == steps.asked


async def test_an_archived_sale_answers_as_before() -> None:
    """Identify, finalize and status say byte for byte what they said, also where no answer is kept any more."""
    shop = Shop()
    opened = await shop.identify(identify())
    session = session_of(opened)
    await shop.calculate(calculate(session))
    finalized = await shop.finalize(finalize(session))
    standing = await shop.status(status(session))
    shop.store.clear_answers()
    later = shop.clock.now() + KEPT_LIVE + DAY
    assert 1 == (await ArchiveSessions(MemorySessionArchive(shop.store))(later, 10)).counts["archived"]
    shop.clock.advance(31 * DAY.total_seconds())
    assert opened.body == (await shop.identify(identify())).body
    assert finalized.body == (await shop.finalize(finalize(session))).body
    assert standing == await shop.status(status(session))


async def test_a_cancelled_sessions_key_stays_free() -> None:
    """Archiving a session that gave its key back takes nothing: the same key opens a new session."""
    shop = Shop()
    first = await shop.opened()
    await shop.cancel(cancel(first))
    later = shop.clock.now() + KEPT_LIVE + DAY
    await ArchiveSessions(MemorySessionArchive(shop.store))(later, 10)
    assert first != await shop.opened()


async def test_the_key_of_a_sale_that_was_taken_out_stays_refused() -> None:
    """Its sale cannot be shown any more, so equal calls cannot be told from others: all are refused at once."""
    shop = Shop()
    session = await _sold(shop, "T-1")
    await ArchiveSessions(MemorySessionArchive(shop.store))(shop.clock.now() + KEPT_LIVE + DAY, 10)
    shop.store.take_out(session)
    calls = len(shop.host.calls)
    with pytest.raises(TransactionMismatch, match="put away"):
        await shop.opened("T-1")
    with pytest.raises(SessionNotFound):
        await shop.status(status(session))
    assert calls == len(shop.host.calls)
