"""What every `SessionSweep` promises, arranged through the `SessionStore` whose sessions it retires."""

from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.session_directory import SessionDirectory
from loyalty_core.ports.session_store import SessionStore, StaleSession
from loyalty_core.ports.session_sweep import SessionSweep
from tests.contracts.sales import a_quote, changed, loaded, new_session, owed, settled, store_now, stored, unit

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"


class Broom(NamedTuple):
    """A sweep, and the store and directory of its sessions; no session at first."""

    sweep: SessionSweep
    store: SessionStore
    directory: SessionDirectory

    async def expired(self, ago: timedelta = MINUTE, **fields: Any) -> Session:
        """A stored session whose time ran out that long ago."""
        now = await store_now(self.store)
        return await stored(self.store, new_session(created_at=now - HOUR, expires_at=now - ago, **fields))

    async def expire(self, limit: int = 100, *, before_by: timedelta = timedelta(0)) -> int:
        before = await store_now(self.store) - before_by
        return await self.sweep.expire(before, limit, TRACE)


class SessionSweepContract:
    """Subclasses supply the fixture `broom`."""

    @pytest.mark.parametrize("quoted", [False, True], ids=["active", "calculated"])
    async def test_the_row_is_what_the_transition_says(self, broom: Broom, *, quoted: bool) -> None:
        """What is stored equals `Session.expire` of what was stored, field by field, at the moment it names."""
        session = await broom.expired(
            status=SessionStatus.CALCULATED if quoted else SessionStatus.ACTIVE, quote=a_quote() if quoted else None
        )
        before = await store_now(broom.store)
        assert 1 == await broom.expire()
        found = await loaded(broom.store, session)
        assert found.session.deleted_at is not None
        assert before <= found.session.deleted_at <= found.now
        assert session.expire(found.session.deleted_at) == found.session

    async def test_it_is_on_the_timeline(self, broom: Broom) -> None:
        """One line: from where to where, why, in which trace, when."""
        session = await broom.expired(status=SessionStatus.CALCULATED, quote=a_quote())
        await broom.expire()
        found = (await loaded(broom.store, session)).session
        *_, line = await broom.directory.timeline(session.id)
        assert (2, SessionStatus.CALCULATED, SessionStatus.FAILED, Cause.EXPIRED.value, None, TRACE) == (
            line.version, line.before, line.after, line.cause, line.detail, line.trace_id
        )  # fmt: skip
        assert found.deleted_at is not None
        assert abs(found.deleted_at - line.at) < SECOND
        assert 2 == len(await broom.directory.timeline(session.id))

    async def test_what_is_not_due_is_left_alone(self, broom: Broom) -> None:
        """Sessions with time left, intents under way however old, and those that have ended already."""
        now = await store_now(broom.store)
        kept = [
            await stored(broom.store, new_session()),
            await stored(broom.store, owed(begun_at=now - HOUR, next_attempt_at=now)),
        ]
        late = await stored(broom.store, owed(begun_at=now, next_attempt_at=now))
        kept.append(await changed(broom.store, late, lambda it: settled(it, now), Cause.HOST_ACCEPTED))
        gone = await broom.expired()
        kept.append(await changed(broom.store, gone, lambda it: it.expire(now), Cause.EXPIRED))
        over = await stored(broom.store, new_session())
        kept.append(await changed(broom.store, over, lambda it: it.cancel(now), Cause.CANCELLED))
        assert (0, 0) == (await broom.sweep.count_expired(now), await broom.expire())
        assert kept == [(await loaded(broom.store, session)).session for session in kept]

    async def test_an_intent_under_way_never_expires(self, broom: Broom) -> None:
        """However long its session's time has been over."""
        now = await store_now(broom.store)
        intended = owed(begun_at=now - HOUR, next_attempt_at=now + HOUR)
        session = await stored(broom.store, msgspec.structs.replace(intended, expires_at=now - MINUTE))
        assert session.expires_at < now
        assert (0, 0) == (await broom.sweep.count_expired(now), await broom.expire())
        assert session == (await loaded(broom.store, session)).session

    async def test_the_moment_named_counts(self, broom: Broom) -> None:
        """Sessions that ran out after it are another run's; one named in the future is as good as now."""
        old, young = await broom.expired(ago=HOUR / 2), await broom.expired(ago=MINUTE)
        coming = await stored(broom.store, new_session(expires_at=await store_now(broom.store) + MINUTE))
        now = await store_now(broom.store)
        assert (1, 2, 2) == (
            await broom.sweep.count_expired(now - 10 * MINUTE),
            await broom.sweep.count_expired(now),
            await broom.sweep.count_expired(now + HOUR),
        )
        assert 1 == await broom.expire(before_by=10 * MINUTE)
        assert [SessionStatus.FAILED, SessionStatus.ACTIVE] == [
            (await loaded(broom.store, session)).session.status for session in (old, young)
        ]
        assert 1 == await broom.expire(before_by=-HOUR)
        assert coming == (await loaded(broom.store, coming)).session

    async def test_a_batch_has_its_limit(self, broom: Broom) -> None:
        """No more at once than asked for, those that have waited longest first, and in the end all of them."""
        sessions = [await broom.expired(ago=minutes * MINUTE) for minutes in (3, 1, 5, 2, 4)]
        assert 5 == await broom.sweep.count_expired(await store_now(broom.store))
        states = []
        for expected in (2, 2, 1, 0):
            assert expected == await broom.expire(limit=2)
            found = [(await loaded(broom.store, session)).session for session in sessions]
            states.append([session.status is SessionStatus.FAILED for session in found])
        assert [
            [False, False, True, False, True],
            [True, False, True, True, True],
            [True] * 5,
            [True] * 5,
        ] == states

    async def test_a_call_that_read_it_before_finds_it_changed(self, broom: Broom) -> None:
        """The version went on: what was decided from the one before is stale."""
        session = await broom.expired()
        await broom.expire()
        with pytest.raises(StaleSession):
            await broom.store.commit(unit(session, session.quoted(a_quote(), session.created_at), Cause.QUOTED))

    async def test_its_key_is_free(self, broom: Broom) -> None:
        """Nobody holds it any more, and a new session may."""
        session = await broom.expired()
        await broom.expire()
        assert (await broom.store.find_by_key(session.channel, session.transaction)).holder is None
        again = await stored(broom.store, new_session(transaction=session.transaction))
        holder = (await broom.store.find_by_key(session.channel, session.transaction)).holder
        assert holder is not None
        assert again == holder.session
