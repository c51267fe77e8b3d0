"""A commit whose answer is lost is resolved, never guessed, and takes effect once."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.errors import OutcomeUnknown
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.session_store import KeyTaken, StaleSession
from loyalty_core.ports.unit_of_work import SessionChange, UnitOfWork
from tests.contracts.sales import a_quote, loaded, new_session, stored, unit
from tests.faults.proxy import Act, FaultProxy, Mode, through
from tests.integration.postgres.observing import eventually, waiting_for_locks

EVERY_CUT = [Act.LOSE_REQUEST, Act.LOSE_ANSWER, Act.ORPHAN]


@pytest.fixture
def direct(connections: Connections) -> PostgresSessions:
    """A store past the proxy."""
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def cut_off(fragile: Connections) -> PostgresSessions:
    """The store under test."""
    return PostgresSessions(fragile, RowAddresses())


@pytest.fixture
async def hasty(database_url: str, proxy: FaultProxy) -> AsyncIterator[PostgresSessions]:
    """A store that gives up looking for an outcome soon."""
    settings = PostgresSettings(url=through(proxy, database_url), recovery_budget=0.5, acquire_timeout=0.2)
    async with Connections(settings) as opened:
        yield PostgresSessions(opened, RowAddresses())


def _requoted(session: Session) -> Session:
    return session.quoted(a_quote(), session.created_at)


async def _versions(operator: psycopg.AsyncConnection, session: Session) -> list[int]:
    """The versions in the session's timeline."""
    rows = await operator.execute(
        "SELECT version FROM session_events WHERE session_id = %s ORDER BY version", (session.id,)
    )
    return [version for (version,) in await rows.fetchall()]


@pytest.mark.parametrize("act", EVERY_CUT)
async def test_a_lost_insert_is_there_once(
    act: Act, proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Whether or not the server got it, the caller is told that the session is stored, and it is."""
    session = new_session()
    trap = proxy.trap(session.transaction.encode(), act)
    await stored(cut_off, session)
    assert trap.sprung
    assert session == (await loaded(cut_off, session)).session
    assert [1] == await _versions(operator, session)


@pytest.mark.parametrize("act", EVERY_CUT)
async def test_a_lost_transition_happens_once(
    act: Act, proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Whether or not the server got it, the transition is made once, and the timeline says so."""
    before = await stored(cut_off, new_session())
    trap = proxy.trap(b"emptied", act)
    await cut_off.commit(unit(before, after := _requoted(before), Cause.EMPTIED))
    assert trap.sprung
    assert after == (await loaded(cut_off, before)).session
    assert [1, 2] == await _versions(operator, before)


@pytest.mark.parametrize("message", [b"BEGIN", b"FOR UPDATE", b"superseded", b"COMMIT"])
@pytest.mark.parametrize("act", EVERY_CUT)
async def test_a_lost_unit_of_several_is_whole(
    act: Act, message: bytes, proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Cut at any of its statements, a unit of two is in the end written whole, once."""
    old = await stored(cut_off, new_session())
    new = new_session(transaction=old.transaction)
    trap = proxy.trap(message, act)
    changes = (
        SessionChange(before=old, after=old.cancel(old.created_at), cause=Cause.SUPERSEDED),
        SessionChange(before=None, after=new, cause=Cause.IDENTIFIED),
    )
    await cut_off.commit(UnitOfWork(changes=changes))
    assert trap.sprung
    assert new == (await loaded(cut_off, new)).session
    assert ([1, 2], [1]) == (await _versions(operator, old), await _versions(operator, new))


async def test_a_change_that_was_overtaken_while_it_was_lost_is_stale(
    proxy: FaultProxy, cut_off: PostgresSessions, direct: PostgresSessions
) -> None:
    """Where another's change got in and ours did not, the caller is told, and the other's stands."""
    before = await stored(direct, new_session())
    rival = before.cancel(before.created_at)

    async def overtake() -> None:
        await direct.commit(unit(before, rival, Cause.CANCELLED))

    trap = proxy.trap(b"emptied", Act.LOSE_REQUEST, meanwhile=overtake)
    with pytest.raises(StaleSession):
        await cut_off.commit(unit(before, _requoted(before), Cause.EMPTIED))
    assert trap.sprung
    assert rival == (await loaded(direct, before)).session


async def test_a_key_that_was_taken_while_the_insert_was_lost_is_taken(
    proxy: FaultProxy, cut_off: PostgresSessions, direct: PostgresSessions
) -> None:
    """Where another session got the key and ours did not, the caller is told."""
    session = new_session()

    async def overtake() -> None:
        await stored(direct, new_session(transaction=session.transaction))

    trap = proxy.trap(session.id.bytes, Act.LOSE_REQUEST, meanwhile=overtake)
    with pytest.raises(KeyTaken):
        await stored(cut_off, session)
    assert trap.sprung
    assert await direct.find(session.id) is None


async def test_a_message_that_arrives_after_the_repeat_does_nothing(
    proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """The repeat has made the version that the late message was to make, so the late one finds nothing to change."""
    before = await stored(cut_off, new_session())
    trap = proxy.trap(b"emptied", Act.DELAY_REQUEST)
    after = _requoted(before)
    await cut_off.commit(unit(before, after, Cause.EMPTIED))
    again = _requoted(after)
    await cut_off.commit(unit(after, again, Cause.QUOTED))
    proxy.release()
    async with asyncio.timeout(5):
        await trap.answered.wait()
    assert again == (await loaded(cut_off, before)).session
    assert [1, 2, 3] == await _versions(operator, before)


async def test_a_repeat_waits_for_an_orphan_that_still_holds_the_row(
    proxy: FaultProxy,
    cut_off: PostgresSessions,
    operator: psycopg.AsyncConnection,
    database_url: str,
) -> None:
    """The first attempt goes on in the server without us; the repeat waits for it, and recognises it as ours."""
    before = await stored(cut_off, new_session())
    after = _requoted(before)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", (before.id,))
        trap = proxy.trap(b"emptied", Act.ORPHAN)
        commit = asyncio.create_task(cut_off.commit(unit(before, after, Cause.EMPTIED)))
        await eventually(lambda: waiting_for_locks(operator, at_least=2))
        assert not commit.done()
        await holder.rollback()
        await commit
    assert trap.sprung
    assert after == (await loaded(cut_off, before)).session
    assert [1, 2] == await _versions(operator, before)


@pytest.mark.parametrize("act", EVERY_CUT)
async def test_an_outcome_that_cannot_be_learnt_is_called_unknown(
    act: Act, proxy: FaultProxy, hasty: PostgresSessions, direct: PostgresSessions
) -> None:
    """Storage gone for good around the commit: the caller is told in bounded time, and the state is one of the two."""
    before = await stored(direct, new_session())
    after = _requoted(before)

    async def vanish() -> None:
        proxy.mode = Mode.REFUSE

    trap = proxy.trap(b"emptied", act, meanwhile=vanish)
    begun = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await hasty.commit(unit(before, after, Cause.EMPTIED))
    assert trap.sprung
    assert time.monotonic() - begun < 3
    assert (await loaded(direct, before)).session in (before, after)


async def test_a_silent_network_is_noticed(
    proxy: FaultProxy, hasty: PostgresSessions, direct: PostgresSessions
) -> None:
    """A connection that stays open and says nothing is cut, and what was sent on it is resolved once it is back."""
    before = await stored(direct, new_session())
    after = _requoted(before)

    async def fall_silent() -> None:
        proxy.mode = Mode.BLACKHOLE
        asyncio.get_running_loop().call_later(3.2, setattr, proxy, "mode", Mode.PASS)

    trap = proxy.trap(b"emptied", Act.LOSE_ANSWER, meanwhile=fall_silent)
    await hasty.commit(unit(before, after, Cause.EMPTIED))
    assert trap.sprung
    assert after == (await loaded(direct, before)).session


async def test_many_cuts_in_a_row_are_all_resolved(
    proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Sixty transitions of one session, each cut one way or another: sixty versions, each made once."""
    session = await stored(cut_off, new_session())
    for number in range(60):
        trap = proxy.trap(b"emptied", EVERY_CUT[number % len(EVERY_CUT)])
        after = _requoted(session)
        await cut_off.commit(unit(session, after, Cause.EMPTIED))
        assert trap.sprung
        session = after
    assert session == (await loaded(cut_off, session)).session
    assert list(range(1, 62)) == await _versions(operator, session)
