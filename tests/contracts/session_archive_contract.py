"""What every `SessionArchive` promises, arranged and inspected through the ports alone."""

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
import pytest

from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_returns import complete_return
from loyalty_core.ports.session_archive import SessionArchive
from loyalty_core.ports.session_store import KeyTaken, SessionStore
from tests.contracts.sales import (
    HOUR,
    a_quote,
    an_intent,
    changed,
    loaded,
    new_session,
    owed,
    settled,
    store_now,
    stored,
    unit,
    with_return,
)

DAY: Final = timedelta(days=1)


class Shelf(NamedTuple):
    """An archive, and the store of the sessions that go there."""

    archive: SessionArchive
    store: SessionStore


async def sold(store: SessionStore, days: float) -> Session:
    """A sale that the host booked so many days ago."""
    at = await store_now(store) - days * DAY
    sale = await stored(store, owed(begun_at=at, next_attempt_at=at))
    return await changed(store, sale, lambda session: settled(session, at), Cause.HOST_ACCEPTED)


async def cancelled(store: SessionStore, days: float) -> Session:
    """A session that was cancelled so many days ago."""
    at = await store_now(store) - days * DAY
    session = await stored(store, new_session(created_at=at, expires_at=at + HOUR))
    return await changed(store, session, lambda it: it.cancel(at), Cause.CANCELLED)


async def expired(store: SessionStore, days: float) -> Session:
    """A session whose time ran out so many days ago with nothing intended."""
    at = await store_now(store) - days * DAY
    session = await stored(store, new_session(created_at=at - HOUR, expires_at=at))
    return await changed(store, session, lambda it: it.expire(at), Cause.EXPIRED)


async def refused(store: SessionStore, days: float) -> Session:
    """A sale that the host refused so many days ago, when it had been promised."""
    at = await store_now(store) - days * DAY
    sale = await stored(store, owed(begun_at=at, next_attempt_at=at))
    return await changed(store, sale, lambda session: session.fail("insufficient_points", at), Cause.HOST_REJECTED)


async def where(store: SessionStore, *sessions: Session) -> list[bool]:
    """Of each session, which has to be found as it is, whether it is archived."""
    found = [await loaded(store, session) for session in sessions]
    assert list(sessions) == [it.session for it in found]
    return [it.archived for it in found]


class SessionArchiveContract:
    """Subclasses supply the fixture `shelf`, with nothing on it."""

    async def test_what_ended_long_ago_is_moved_and_found_as_before(self, shelf: Shelf) -> None:
        """Every terminal state moves once its time has come, equal in every field; what is open or young stays."""
        old = [await make(shelf.store, 31) for make in (sold, cancelled, expired, refused)]
        young = [await make(shelf.store, 29) for make in (sold, cancelled, expired, refused)]
        now = await store_now(shelf.store)
        open_since_long = await stored(shelf.store, new_session(created_at=now - 90 * DAY, expires_at=now + HOUR))
        assert 4 == await shelf.archive.due(now - 30 * DAY)
        moved = await shelf.archive.move(now - 30 * DAY, 10)
        assert (4, 4, 8, 0) == (moved.seen, moved.sessions, moved.events, moved.held_back)
        assert [True] * 4 == await where(shelf.store, *old)
        assert [False] * 5 == await where(shelf.store, *young, open_since_long)
        assert 0 == await shelf.archive.due(now - 30 * DAY)

    async def test_what_owes_a_return_stays(self, shelf: Shelf) -> None:
        """A booked sale with a return that is queued, or parked, is not moved; once that is settled, it is."""
        now = await store_now(shelf.store)
        queued, parked = await sold(shelf.store, 40), await sold(shelf.store, 40)
        queued_return = with_return(queued, "R-1", next_attempt_at=now)
        await shelf.store.commit(unit(queued, queued_return, Cause.RETURN_INTENDED))
        parked_return = with_return(parked, "R-1", next_attempt_at=None, parked_at=now)
        await shelf.store.commit(unit(parked, parked_return, Cause.RETURN_INTENDED))
        assert 0 == await shelf.archive.due(now - 30 * DAY)
        assert 0 == (await shelf.archive.move(now - 30 * DAY, 10)).sessions
        booked = complete_return(queued_return, ReturnId("R-1"), ReturnFigures(100, 0), now - 35 * DAY)
        await shelf.store.commit(unit(queued_return, booked, Cause.RETURN_SETTLED))
        moved = await shelf.archive.move(now - 30 * DAY, 10)
        assert (1, 1) == (moved.sessions, moved.returns)
        assert [True, False] == await where(shelf.store, booked, parked_return)

    async def test_held_keys_stay_held_and_others_stay_free(self, shelf: Shelf) -> None:
        """The key of a sale, booked or refused, is refused as before; a cancelled or expired session's is free."""
        held = [await sold(shelf.store, 31), await refused(shelf.store, 31)]
        free = [await cancelled(shelf.store, 31), await expired(shelf.store, 31)]
        await shelf.archive.move(await store_now(shelf.store) - 30 * DAY, 10)
        for session in held:
            probe = await shelf.store.find_by_key(session.channel, session.transaction)
            assert probe.holder is not None
            assert (session, True) == (probe.holder.session, probe.holder.archived)
            with pytest.raises(KeyTaken):
                await stored(shelf.store, new_session(transaction=session.transaction))
        for session in free:
            probe = await shelf.store.find_by_key(session.channel, session.transaction)
            assert (None, False) == (probe.holder, probe.gone)
            await stored(shelf.store, new_session(transaction=session.transaction))

    async def test_batches_follow_one_another(self, shelf: Shelf) -> None:
        """The longest closed go first; each batch goes on where the last one ended, until one is not full."""
        sales = [await sold(shelf.store, days) for days in (35, 33, 34, 32, 36)]
        before = await store_now(shelf.store) - 30 * DAY
        first = await shelf.archive.move(before, 2)
        assert (2, sales[0].closed_at) == (first.seen, first.last)
        assert [True, False, False, False, True] == await where(shelf.store, *sales)
        second = await shelf.archive.move(before, 2, first.last)
        last = await shelf.archive.move(before, 2, second.last)
        assert [2, 1] == [second.sessions, last.sessions]
        assert last.seen < 2
        assert [True] * 5 == await where(shelf.store, *sales)
        nothing = await shelf.archive.move(before, 2, last.last)
        assert (0, 0) == (nothing.seen, nothing.sessions)

    async def test_a_return_brings_it_back_and_it_goes_again(self, shelf: Shelf) -> None:
        """A change of an archived session makes it live; when that has settled long ago it is archived once more."""
        sale = await sold(shelf.store, 40)
        before = await store_now(shelf.store) - 30 * DAY
        await shelf.archive.move(before, 10)
        wanted = with_return(sale, "R-1", next_attempt_at=before)
        await shelf.store.commit(unit(sale, wanted, Cause.RETURN_INTENDED))
        assert [False] == await where(shelf.store, wanted)
        assert 0 == (await shelf.archive.move(before, 10)).sessions
        returned = complete_return(wanted, ReturnId("R-1"), ReturnFigures(100, 0), before - DAY)
        await shelf.store.commit(unit(wanted, returned, Cause.RETURN_SETTLED))
        moved = await shelf.archive.move(before, 10)
        assert (1, 4, 1) == (moved.sessions, moved.events, moved.returns)
        assert [True] == await where(shelf.store, returned)
        with pytest.raises(KeyTaken):
            await stored(shelf.store, new_session(transaction=sale.transaction))

    async def test_movers_at_the_same_time_share_the_work(self, shelf: Shelf) -> None:
        """Four movers at once move each session once."""
        sales = [await sold(shelf.store, 31 + number / 10) for number in range(12)]
        before = await store_now(shelf.store) - 30 * DAY
        moved = await asyncio.gather(*(shelf.archive.move(before, 12) for _ in range(4)))
        rest = await shelf.archive.move(before, 12)
        assert 12 == sum(batch.sessions for batch in moved) + rest.sessions
        assert 24 == sum(batch.events for batch in moved) + rest.events
        assert [True] * 12 == await where(shelf.store, *sales)

    async def test_a_sale_without_rewards_is_moved_too(self, shelf: Shelf) -> None:
        """What was finalized without the host has no delivery, and nothing is missing of it afterwards."""
        at = await store_now(shelf.store) - 31 * DAY
        session = await stored(shelf.store, new_session(created_at=at, expires_at=at + HOUR))
        intent = msgspec.structs.replace(an_intent(session, a_quote()), apply_rewards=False)
        sale = await changed(
            shelf.store, session, lambda it: it.finalize_without_rewards(intent, at), Cause.FINALIZED_WITHOUT_REWARDS
        )
        assert 1 == (await shelf.archive.move(at + DAY / 2, 10)).sessions
        assert [True] == await where(shelf.store, sale)
