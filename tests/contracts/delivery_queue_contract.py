"""What every `DeliveryQueue` promises, arranged through the `SessionStore` that it belongs to."""

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_returns import attempt_return, complete_return
from loyalty_core.ports.delivery_queue import DeliveryQueue
from loyalty_core.ports.session_store import Loaded, SessionStore, StaleSession
from tests.contracts.sales import changed, loaded, owed, settled, store_now, stored, unit, with_return

LEASE: Final = timedelta(seconds=30)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)


class Desk(NamedTuple):
    """A queue, and the store whose sessions it hands out; empty at first."""

    queue: DeliveryQueue
    store: SessionStore

    async def owe(
        self, *, age: timedelta = MINUTE, due_in: timedelta | None = -SECOND, parked: bool = False, **fields: Any
    ) -> Session:
        """A stored session whose intent is that old and due then; a `due_in` of None is never."""
        now = await store_now(self.store)
        due = None if due_in is None else now + due_in
        parked_at = now if parked else None
        return await stored(self.store, owed(begun_at=now - age, next_attempt_at=due, parked_at=parked_at, **fields))

    async def claim(self, limit: int = 100, lease: timedelta = LEASE) -> tuple[Loaded, ...]:
        return await self.queue.claim_due(limit, lease)

    async def claim_ids(self, limit: int = 100) -> list[object]:
        return [claimed.session.id for claimed in await self.claim(limit)]


class DeliveryQueueContract:
    """Subclasses supply the fixture `desk`."""

    async def test_an_empty_queue_hands_out_nothing(self, desk: Desk) -> None:
        """Where nothing is owed, nothing is claimed and the depth is nought."""
        assert () == await desk.claim()
        depth = await desk.queue.depth()
        assert (0, 0, None) == (depth.waiting, depth.parked, depth.oldest_intent_at)

    async def test_a_due_session_is_claimed(self, desk: Desk) -> None:
        """It comes leased, at the version the claim made, and the store has that same version."""
        session = await desk.owe()
        (claimed,) = await desk.claim()
        assert session.delivery is not None
        until = claimed.now + LEASE
        leased = msgspec.structs.replace(session, version=session.version + 1, delivery=session.delivery.claim(until))
        assert leased == claimed.session
        assert leased == (await loaded(desk.store, session)).session

    async def test_the_claimant_can_go_on_from_what_it_was_given(self, desk: Desk) -> None:
        """A change made from the claimed version is written; one made from the version before it is stale."""
        session = await desk.owe()
        (claimed,) = await desk.claim()
        with pytest.raises(StaleSession):
            await desk.store.commit(unit(session, settled(session, claimed.now), Cause.HOST_ACCEPTED))
        after = await changed(desk.store, claimed.session, lambda it: settled(it, claimed.now), Cause.HOST_ACCEPTED)
        assert after == (await loaded(desk.store, session)).session

    @pytest.mark.parametrize(
        "not_due",
        [
            pytest.param({"due_in": MINUTE}, id="in back-off"),
            pytest.param({"due_in": None, "parked": True}, id="parked"),
            pytest.param({"due_in": -SECOND, "parked": True}, id="parked and due"),
        ],
    )
    async def test_what_is_not_due_is_left_alone(self, desk: Desk, not_due: dict[str, Any]) -> None:
        """Neither a session in back-off, or under a live call's lease, nor a parked one is claimed."""
        session = await desk.owe(**not_due)
        assert () == await desk.claim()
        assert session == (await loaded(desk.store, session)).session

    async def test_the_oldest_intents_come_first(self, desk: Desk) -> None:
        """A claim takes the oldest intents, in that order, and no more than it asked for."""
        ages = [3, 9, 1, 7, 5]
        sessions = {age: await desk.owe(age=age * MINUTE) for age in ages}
        assert [sessions[9].id, sessions[7].id, sessions[5].id] == await desk.claim_ids(limit=3)
        assert [sessions[3].id, sessions[1].id] == await desk.claim_ids(limit=3)

    async def test_of_one_customer_only_the_oldest_is_handed_out(self, desk: Desk) -> None:
        """A younger sale waits while an older one of the same customer is due, and while it is claimed."""
        younger = await desk.owe(age=MINUTE, customer="C-1")
        older = await desk.owe(age=2 * MINUTE, customer="C-1")
        other = await desk.owe(age=MINUTE / 2, customer="C-2")
        (first, second) = await desk.claim()
        assert [older.id, other.id] == [first.session.id, second.session.id]
        assert () == await desk.claim()
        await changed(desk.store, first.session, lambda it: settled(it, first.now), Cause.HOST_ACCEPTED)
        assert [younger.id] == await desk.claim_ids()

    async def test_an_older_sale_that_is_due_within_seconds_is_waited_for(self, desk: Desk) -> None:
        """Its turn comes so soon that the younger one does not overtake it."""
        await desk.owe(age=2 * MINUTE, due_in=2 * SECOND, customer="C-1")
        await desk.owe(age=MINUTE, customer="C-1")
        assert () == await desk.claim()

    @pytest.mark.parametrize("older", [{"due_in": MINUTE}, {"due_in": None, "parked": True}], ids=["backoff", "parked"])
    async def test_an_older_sale_in_long_back_off_holds_nobody_up(self, desk: Desk, older: dict[str, Any]) -> None:
        """Nor does a parked one: a customer's later sales settle before it."""
        await desk.owe(age=2 * MINUTE, customer="C-1", **older)
        younger = await desk.owe(age=MINUTE, customer="C-1")
        assert [younger.id] == await desk.claim_ids()

    async def test_an_older_sale_under_a_live_calls_lease_is_waited_for(self, desk: Desk) -> None:
        """The POS's own call is at work on it, however far away the end of its lease."""
        until = await store_now(desk.store) + MINUTE
        await desk.owe(age=2 * MINUTE, due_in=MINUTE, claimed_until=until, customer="C-1")
        await desk.owe(age=MINUTE, customer="C-1")
        assert () == await desk.claim()

    async def test_a_lease_that_has_ended_is_given_again(self, desk: Desk) -> None:
        """A worker that died with a session in its hands delays it by the lease, and no longer."""
        session = await desk.owe()
        (first,) = await desk.claim(lease=SECOND / 2)
        assert () == await desk.claim()
        deadline = time.monotonic() + 10
        while not (again := await desk.claim()):
            assert time.monotonic() < deadline
            await desk.queue.wait(0.05)
        assert [(session.id, first.session.version + 1)] == [(it.session.id, it.session.version) for it in again]
        assert first.session.delivery is not None
        assert first.session.delivery.claimed_until is not None
        assert first.session.delivery.claimed_until <= again[0].now

    async def test_a_return_is_claimed_once_its_sale_is_booked(self, desk: Desk) -> None:
        """The sale goes first, then its returns, each when the one before it is settled; the lease is on that one."""
        now = await store_now(desk.store)
        sale = await desk.owe()
        for name in ("R-2", "R-1"):
            begun = partial(with_return, name=name, next_attempt_at=now - SECOND)
            sale = await changed(desk.store, sale, begun, Cause.RETURN_INTENDED)
        (claimed,) = await desk.claim()
        assert [None, None] == [goods.delivery.claimed_until for goods in claimed.session.returns]
        current = await changed(desk.store, claimed.session, lambda it: settled(it, now), Cause.HOST_ACCEPTED)
        for position, name in enumerate(("R-2", "R-1")):
            (claimed,) = await desk.claim()
            goods = current.returns[position]
            leased = attempt_return(current, goods.id, goods.delivery.claim(claimed.now + LEASE))
            assert leased == claimed.session
            assert leased == (await loaded(desk.store, sale)).session
            assert () == await desk.claim()
            booked = partial(complete_return, return_id=ReturnId(name), figures=ReturnFigures(1, 0), now=now)
            current = await changed(desk.store, claimed.session, booked, Cause.RETURN_SETTLED)
        assert () == await desk.claim()
        assert 0 == (await desk.queue.depth()).waiting

    async def test_a_parked_return_holds_up_those_behind_it(self, desk: Desk) -> None:
        """Returns of one sale settle in their order: while the first is parked, the second is not claimed."""
        now = await store_now(desk.store)
        sale = await desk.owe()
        sale = await changed(desk.store, sale, lambda it: settled(it, now), Cause.HOST_ACCEPTED)
        parked = partial(with_return, name="R-1", next_attempt_at=None, parked_at=now)
        sale = await changed(desk.store, sale, parked, Cause.RETURN_INTENDED)
        due = partial(with_return, name="R-2", next_attempt_at=now - SECOND)
        await changed(desk.store, sale, due, Cause.RETURN_INTENDED)
        assert () == await desk.claim()
        depth = await desk.queue.depth()
        assert (0, 1) == (depth.waiting, depth.parked)

    async def test_workers_side_by_side_never_get_the_same_session(self, desk: Desk) -> None:
        """Eight workers empty a queue of sixty: each session is handed out once."""
        sessions = [await desk.owe() for _ in range(60)]
        handed_out: list[object] = []

        async def work() -> None:
            while len(handed_out) < len(sessions):
                handed_out.extend(await desk.claim_ids(limit=3))

        async with asyncio.timeout(30):
            await asyncio.gather(*(work() for _ in range(8)))
        assert sorted(session.id for session in sessions) == sorted(handed_out, key=str)

    async def test_the_depth_counts_what_is_owed(self, desk: Desk) -> None:
        """Due, in back-off and claimed count as waiting; parked ones apart; settled ones not at all."""
        now = await store_now(desk.store)
        await desk.owe(age=10 * MINUTE, due_in=None, parked=True)
        oldest = await desk.owe(age=5 * MINUTE, due_in=MINUTE)
        done = await desk.owe(age=20 * MINUTE)
        await changed(desk.store, done, lambda it: settled(it, now), Cause.HOST_ACCEPTED)
        await desk.owe()
        await desk.claim()
        depth = await desk.queue.depth()
        assert oldest.delivery is not None
        assert (2, 1, oldest.delivery.begun_at) == (depth.waiting, depth.parked, depth.oldest_intent_at)

    async def test_waiting_ends_in_time(self, desk: Desk) -> None:
        """Waiting takes no longer than it was asked to."""
        begun = time.monotonic()
        await desk.queue.wait(0.05)
        assert time.monotonic() - begun < 1
