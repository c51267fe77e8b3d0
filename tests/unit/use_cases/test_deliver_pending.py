"""Delivering what is owed: rounds, their pace, parking, and what one delivery's trouble means for the others."""

import asyncio
from datetime import timedelta

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.identifiers import CustomerId, SessionId, TransactionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, SessionStatus, evolve
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
)
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.patience import SettlementPolicy
from tests.unit.use_cases.shop import Shop, finalize, identify, session_of

PATIENCE = timedelta(minutes=10)


async def _queued(shop: Shop, number: int) -> SessionId:
    """A sale of a customer of its own, promised while the circuit was open."""
    customer = CustomerId(f"C-{number}")
    shop.host.enrol(Member(customer, "Gold", None, 0))
    transaction = TransactionId(f"TX-{number}")
    session_id = session_of(await shop.identify(identify(transaction, customer=customer)))
    shop.host.closed_for = 1
    await shop.finalize(finalize(session_id, transaction=transaction))
    shop.host.closed_for = 0
    return session_id


async def _unanswered(shop: Shop) -> SessionId:
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    await shop.finalize(finalize(session_id))
    return session_id


async def test_nothing_due() -> None:
    """A round that finds nothing asks nothing, and suggests when to look again."""
    shop = Shop()

    done = await shop.deliver()

    assert (0, 0, 1.0) == (done.claimed, done.settled, done.pause)


async def test_rounds_ramp_up() -> None:
    """One first, then twice as many each time, so that a host that has just recovered is not trampled."""
    shop = Shop()
    for number in range(20):
        await _queued(shop, number)
    shop.clock.advance(60)

    rounds = [await shop.deliver() for _ in range(5)]

    assert [1, 2, 4, 8, 5] == [done.claimed for done in rounds]
    assert [1, 2, 4, 8, 5] == [done.settled for done in rounds]
    assert 20 == len(shop.host.ledger)


async def _at_full_pace(shop: Shop, number: int) -> None:
    """A queue of so many, and a worker that has seen the host answer."""
    for place in range(number):
        await _queued(shop, place)
    shop.clock.advance(60)
    assert 1 == (await shop.deliver()).settled


async def test_at_full_pace_a_round_goes_on() -> None:
    """It claims more while it delivers, until the queue runs short: nobody waits for the slowest."""
    shop = Shop(largest_round=4)
    await _at_full_pace(shop, 30)
    assert 2 == (await shop.deliver()).claimed

    done = await shop.deliver()

    assert (27, 27, 0) == (done.claimed, done.settled, done.pause)
    assert 30 == len(shop.host.ledger)


async def test_a_round_does_not_go_on_against_a_host_that_fails() -> None:
    """One failure, and nobody else is sent in a hurry."""
    shop = Shop(largest_round=2)
    await _at_full_pace(shop, 30)
    shop.host.plan(HostCall.FINALIZE, Course(), Course(), Course(error=HostSilence("timeout")))

    done = await shop.deliver()

    assert done.claimed < 6
    assert (done.claimed - 1, 1.0) == (done.settled, done.pause)


async def test_a_round_that_goes_on_ends_in_time() -> None:
    """Whoever runs it may have been asked to stop."""
    shop = Shop(largest_round=2)
    await _at_full_pace(shop, 30)
    shop.host.plan(HostCall.FINALIZE, *[Course(takes=0.3)] * 29)

    done = await shop.deliver()

    assert 2 < done.claimed == done.settled < 12


async def test_what_is_under_way_is_finished_where_no_more_can_be_claimed() -> None:
    """Storage that is away for a claim is told by the next round."""
    shop = Shop(largest_round=2)
    await _at_full_pace(shop, 30)

    async def then_away() -> None:
        shop.store.plan("find", StorageUnavailable())

    shop.store.plan(Cause.HOST_ACCEPTED, first=then_away)

    done = await shop.deliver()

    assert shop.store.is_through
    assert (2, 2) == (done.claimed, done.settled)


async def test_a_round_that_is_broken_off_leaves_nothing_running() -> None:
    """Its deliveries end with it, as if the process had; their leases bring them back."""
    shop = Shop()
    await _queued(shop, 1)
    shop.clock.advance(60)
    begun = asyncio.Event()

    async def for_ever() -> None:
        begun.set()
        await asyncio.Event().wait()

    shop.store.plan(Cause.ATTEMPT_BEGUN, first=for_ever)
    round_ = asyncio.create_task(shop.deliver())
    await begun.wait()
    before = asyncio.all_tasks()
    round_.cancel()
    await asyncio.wait(before - {asyncio.current_task()})

    assert round_.cancelled()
    assert HostCall.FINALIZE not in shop.host.calls
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


async def test_a_host_that_fails_is_probed() -> None:
    """One at a time, an interval apart, however long the queue."""
    shop = Shop()
    for number in range(8):
        await _queued(shop, number)
    shop.clock.advance(60)
    await shop.deliver()
    await shop.deliver()
    shop.host.plan(HostCall.FINALIZE, *[Course(error=HostSilence("timeout"))] * 4)

    failed = await shop.deliver()
    probe = await shop.deliver()

    assert (4, 1.0, 0) == (failed.claimed, failed.pause, failed.settled)
    assert 1 == probe.claimed


async def test_an_open_circuit_claims_nothing() -> None:
    """The row stays free for a worker whose circuit is closed."""
    shop = Shop()
    await _queued(shop, 1)
    shop.clock.advance(60)
    shop.host.closed_for = 7

    done = await shop.deliver()

    assert (0, 7) == (done.claimed, done.pause)
    assert 1 == (await shop.queue.depth()).waiting


@pytest.mark.parametrize(
    "error", [HostNotSent("x"), HostRefusesUs("x"), HostSilence("x")], ids=lambda e: type(e).__name__
)
async def test_without_a_judgement_it_stays_queued(error: HostError) -> None:
    """Never failed by itself; the next round tries again under the same key."""
    shop = Shop()
    session_id = await _queued(shop, 1)
    shop.host.plan(HostCall.FINALIZE, Course(error=error))
    shop.clock.advance(60)

    done = await shop.deliver()

    session = await shop.session(session_id)
    assert session.delivery is not None
    assert (SessionStatus.FINALIZING, 0, error.reason) == (session.status, done.settled, session.delivery.last_error)
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


async def test_a_definite_no_fails_with_its_reason() -> None:
    """The POS was told that it settles later; now it has failed, and says why."""
    shop = Shop()
    session_id = await _queued(shop, 1)
    shop.host.plan(HostCall.FINALIZE, Course(error=HostRejection("customer_blocked")))
    shop.clock.advance(60)

    done = await shop.deliver()

    session = await shop.session(session_id)
    assert (SessionStatus.FAILED, "customer_blocked", 1) == (session.status, session.failure, done.settled)


async def test_a_customer_that_the_host_rejects_late() -> None:
    """Identify was owed too; its no ends the sale."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened(customer="NOBODY")
    shop.host.closed_for = 1
    await shop.finalize(finalize(session_id))
    shop.host.closed_for = 0

    await shop.until_settled()

    assert "invalid_customer" == (await shop.session(session_id)).failure


async def test_a_definite_no_beside_an_unanswered_send_decides_nothing() -> None:
    """The earlier send may have been booked: it is kept, asked about, and settled once that is found."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout"), acts=True))
    await shop.finalize(finalize(session_id))
    shop.host.plan(HostCall.REPORT, Course(error=HostSessionUnknown("not found yet")))
    shop.host.plan(HostCall.FINALIZE, Course(error=HostRejection("insufficient_points")))
    shop.clock.advance(50)
    await shop.deliver()
    assert SessionStatus.FINALIZING is (await shop.session(session_id)).status

    await shop.until_settled()

    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status
    assert [("1", 450)] == shop.booked()


@pytest.mark.parametrize(
    "error",
    [HostRejection("blocked"), HostSilence("timeout"), HostSessionUnknown("lost")],
    ids=lambda e: type(e).__name__,
)
async def test_what_stays_unknown_is_parked(error: HostError) -> None:
    """After so long it is an operator's: still owed, seen in the depth, and touched by no worker."""
    shop = Shop(policy=SettlementPolicy(park_after=PATIENCE))
    session_id = await _unanswered(shop)
    shop.host.plan(HostCall.FINALIZE, *[Course(error=error)] * 3)
    shop.clock.advance(PATIENCE.total_seconds())

    await shop.deliver()

    session, depth = await shop.session(session_id), await shop.queue.depth()
    assert session.delivery is not None
    assert shop.clock.now() == session.delivery.parked_at
    assert (SessionStatus.FINALIZING, 0, 1) == (session.status, depth.waiting, depth.parked)
    shop.clock.advance(3600)
    assert 0 == (await shop.deliver()).claimed


async def test_what_was_never_sent_is_not_parked() -> None:
    """However long the host is away: nothing is unknown about it."""
    shop = Shop(policy=SettlementPolicy(park_after=PATIENCE))
    session_id = await _queued(shop, 1)
    shop.host.plan(HostCall.FINALIZE, Course(error=HostNotSent("connection_refused")))
    shop.clock.advance(PATIENCE.total_seconds())

    await shop.deliver()

    session = await shop.session(session_id)
    assert session.delivery is not None
    assert session.delivery.parked_at is None
    await shop.until_settled()
    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status


async def test_a_worker_overtaken_before_its_send_sends_nothing() -> None:
    """The row is somebody else's by then."""
    shop = Shop()
    session_id = await _queued(shop, 1)
    shop.clock.advance(60)
    shop.store.plan(Cause.ATTEMPT_BEGUN, StaleSession())

    done = await shop.deliver()

    assert (1, 0) == (done.claimed, done.settled)
    assert HostCall.FINALIZE not in shop.host.calls
    await shop.until_settled()
    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status


async def test_a_worker_whose_time_is_up_sends_nothing() -> None:
    """What could not be answered in time is not begun."""
    shop = Shop()
    session_id = await _queued(shop, 1)
    session = await shop.session(session_id)
    shop.store.replace(session.host_session_lost())
    shop.clock.advance(60)

    async def time_passes_and_somebody_writes() -> None:
        shop.clock.advance(11)
        shop.store.replace(evolve(await shop.session(session_id)))

    shop.store.plan(Cause.ATTEMPT_BEGUN, first=time_passes_and_somebody_writes)

    await shop.deliver()

    assert HostCall.FINALIZE not in shop.host.calls
    await shop.until_settled()
    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status


async def test_storage_away_is_told_and_claims_nothing() -> None:
    """The worker's loop waits and comes back."""
    shop = Shop()
    await _queued(shop, 1)
    shop.clock.advance(60)
    shop.store.plan("find", StorageUnavailable())

    with pytest.raises(StorageUnavailable):
        await shop.deliver()


def test_the_pace() -> None:
    """Doubling up to the limit, back to one on failure, a probe interval after it, and again from one after a pause."""
    pace = DeliveryPace(PacePolicy(largest_round=4, probe_interval=2.0))
    sizes = []
    for now in range(4):
        sizes.append(pace.size())
        pace.learn(now, host_failed=False)
    assert [1, 2, 4, 4] == sizes
    assert 0.0 == pace.pause(4)

    pace.learn(10, host_failed=True)
    assert (1, 2.0, 0.5, 0.0) == (pace.size(), pace.pause(10), pace.pause(11.5), pace.pause(13))

    pace.learn(13, host_failed=False)
    assert (2, 0.0) == (pace.size(), pace.pause(13))
    pace.slow_down()
    assert 1 == pace.size()
