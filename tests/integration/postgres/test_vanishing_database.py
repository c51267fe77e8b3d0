"""The database goes away and comes back: callers are told quickly, and served as soon as it is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest

from loyalty_adapters.embedded.servers import EmbeddedServers
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.migrations import migrate
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.session import Cause, Session
from tests.contracts.sales import a_quote, loaded, new_session, stored, unit
from tests.faults.proxy import FaultProxy, Mode
from tests.servers import postgres_major

_TERMINATE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """A server of this test's own, to kill."""
    servers = EmbeddedServers(tmp_path / "own", postgres_major=postgres_major(), fsync=False)
    with servers:
        yield servers


@pytest.fixture
async def mortal(own_server: EmbeddedServers) -> AsyncIterator[PostgresSessions]:
    """A store on that server."""
    url = own_server.addresses.database_url
    await migrate(url)
    async with Connections(PostgresSettings(url=url)) as opened:
        yield PostgresSessions(opened, RowAddresses())


async def test_idle_connections_that_died_are_never_met(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Every backend is terminated between two calls: the next calls notice nothing."""
    session = await stored(store, new_session())
    for _ in range(3):
        await operator.execute(_TERMINATE)
        after = session.quoted(a_quote(), session.created_at)
        await store.commit(unit(session, after, Cause.QUOTED))
        assert after == (await loaded(store, session)).session
        session = after


async def test_backends_terminated_at_work_lose_no_change(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Twelve sessions are changed while backends are terminated again and again: each change is made exactly once."""
    stop = asyncio.Event()
    made = asyncio.Semaphore(0)

    async def terminate() -> int:
        """As often as three changes have been made: a machine that is slow to connect again is given the time."""
        rounds = 0
        while not stop.is_set():
            await operator.execute(_TERMINATE)
            rounds += 1
            for _ in range(3):
                await made.acquire()
        return rounds

    async def live(changes: int) -> list[int]:
        session = new_session()
        await _insist(partial(stored, store, session))
        for _ in range(changes):
            after = session.quoted(a_quote(), session.created_at)
            await _insist(partial(store.commit, unit(session, after, Cause.QUOTED)))
            made.release()
            session = after
        rows = await operator.execute(
            "SELECT version FROM session_events WHERE session_id = %s ORDER BY version", (session.id,)
        )
        return [version for (version,) in await rows.fetchall()]

    terminating = asyncio.create_task(terminate())
    try:
        timelines = await asyncio.gather(*(live(10) for _ in range(12)))
    finally:
        stop.set()
        for _ in range(3):
            made.release()
    assert await terminating > 10
    assert [list(range(1, 12))] * 12 == timelines


async def test_a_database_that_is_away_is_reported_quickly_and_found_again_soon(
    mortal: PostgresSessions, own_server: EmbeddedServers
) -> None:
    """Killed, it is `StorageUnavailable` within a second, for reads and writes; started again, it serves again."""
    session = await stored(mortal, new_session())
    own_server.postgres.kill()
    await _gone(mortal, session)
    for _ in range(3):
        for call in (partial(mortal.find, session.id), partial(stored, mortal, new_session())):
            begun = time.monotonic()
            with pytest.raises(StorageUnavailable):
                await call()
            assert time.monotonic() - begun < 1
    own_server.postgres.start()
    begun = time.monotonic()
    await _insist(partial(loaded, mortal, session))
    assert time.monotonic() - begun < 5
    assert session == (await loaded(mortal, session)).session


async def test_a_database_that_is_silent_is_reported_in_bounded_time(fragile: Connections, proxy: FaultProxy) -> None:
    """A network that swallows everything holds no call for longer than a statement may take."""
    store = PostgresSessions(fragile, RowAddresses())
    session = await stored(store, new_session())
    proxy.mode = Mode.BLACKHOLE
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await store.find(session.id)
    assert time.monotonic() - begun < 8
    proxy.mode = Mode.PASS
    await _insist(partial(loaded, store, session))


async def _gone(store: PostgresSessions, session: Session) -> None:
    """Wait for the killed server's last connection: its processes outlive it until they notice."""
    async with asyncio.timeout(20):
        with suppress(StorageUnavailable):
            while True:
                await store.find(session.id)


async def _insist(call: Callable[[], Awaitable[object]]) -> None:
    """Make the call again while the database is away: nothing was done then, says the port."""
    deadline = time.monotonic() + 20
    while True:
        try:
            await call()
        except StorageUnavailable:
            assert time.monotonic() < deadline
        else:
            return
