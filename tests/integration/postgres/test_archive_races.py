"""The archive job and a live call on the same session: whoever comes second finds the session, and nothing is lost."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import psycopg
import pytest

from loyalty_adapters.postgres.archive_moves import PUT_AWAY
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_returns import complete_return
from loyalty_core.ports.session_store import SessionStore, StaleSession
from tests.contracts.sales import changed, loaded, owed, settled, store_now, stored, unit, with_return
from tests.integration.postgres.archive_books import astray
from tests.integration.postgres.archiving import archive
from tests.integration.postgres.observing import eventually, waiting_for_locks

DAY = timedelta(days=1)
RETURNS = 6


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def shelf(connections: Connections) -> PostgresSessionArchive:
    return PostgresSessionArchive(connections)


async def _sold(store: SessionStore, at: datetime) -> Session:
    sale = await stored(store, owed(begun_at=at, next_attempt_at=at))
    return await changed(store, sale, lambda session: settled(session, at), Cause.HOST_ACCEPTED)


async def test_the_job_passes_over_what_a_call_is_at_work_on(
    store: PostgresSessions, shelf: PostgresSessionArchive, operator: psycopg.AsyncConnection
) -> None:
    """A session whose row is locked is not waited for; the others of the batch are moved."""
    now = await store_now(store)
    held, free = await _sold(store, now - 2 * DAY), await _sold(store, now - 2 * DAY)
    async with operator.transaction():
        await operator.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", (held.id,))
        moved = await shelf.move(now, 10)
        assert (2, 1) == (moved.seen, moved.sessions)
        assert [False, True] == [(await loaded(store, session)).archived for session in (held, free)]
    assert 1 == (await shelf.move(now, 10)).sessions


async def test_a_return_that_meets_the_move_waits_and_brings_the_session_back(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """A return decided on the live session, and written while it is being moved, is written after all."""
    now = await store_now(store)
    sale, other = await _sold(store, now - 2 * DAY), await _sold(store, now - 2 * DAY)
    await archive(operator, other)  # its month is there now
    after = with_return(sale, "R-1", next_attempt_at=now)
    async with operator.transaction():
        await operator.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        await operator.execute(PUT_AWAY, {"ids": [sale.id], "before": now})
        writing = asyncio.create_task(store.commit(unit(sale, after, Cause.RETURN_INTENDED)))
        async with await psycopg.AsyncConnection.connect(operator.info.dsn, autocommit=True) as onlooker:
            await eventually(lambda: waiting_for_locks(onlooker))
    await writing
    found = await loaded(store, sale)
    assert (after, False) == (found.session, found.archived)
    assert 0 == await astray(operator)


async def test_a_row_that_moved_on_under_the_jobs_eyes_stays(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """What was changed after the job had listed it is moved by what it is now, not by what it was."""
    now = await store_now(store)
    sale = await _sold(store, now - 2 * DAY)
    await archive(operator, await _sold(store, now - 2 * DAY))
    await store.commit(unit(sale, with_return(sale, "R-1", next_attempt_at=now), Cause.RETURN_INTENDED))
    rows = await operator.execute(PUT_AWAY, {"ids": [sale.id], "before": now})
    assert (0, 0, 0) == await rows.fetchone()
    assert not (await loaded(store, sale)).archived


async def test_returns_and_archiving_without_a_pause(
    store: PostgresSessions, shelf: PostgresSessionArchive, operator: psycopg.AsyncConnection
) -> None:
    """Sales that are given back piece by piece while the job moves them whenever it can: every piece is on record.

    Every second piece waits until the job has had the sale, so that it is sure to come back.
    """
    now = await store_now(store)
    sales = [await _sold(store, now - 2 * DAY) for _ in range(6)]
    ends = now - DAY
    done = asyncio.Event()

    async def keep_archiving() -> int:
        moved = 0
        while not done.is_set():
            moved += (await shelf.move(now, 10)).sessions
        return moved

    async def give_back(sale: Session) -> None:
        for name in (ReturnId(f"R-{number}") for number in range(RETURNS)):
            if int(name[-1]) % 2:
                await eventually(partial(_is_archived, store, sale), within=20.0)
            await _written(store, sale, partial(with_return, name=name, next_attempt_at=now))
            settle = partial(complete_return, return_id=name, figures=ReturnFigures(10, 0), now=ends)
            await _written(store, sale, settle)

    archiving = asyncio.create_task(keep_archiving())
    await asyncio.gather(*(give_back(sale) for sale in sales))
    done.set()
    moved = await archiving + (await shelf.move(now, 10)).sessions
    assert len(sales) * (1 + RETURNS // 2) <= moved
    assert 0 == await astray(operator)
    for sale in sales:
        found = await loaded(store, sale)
        assert found.archived
        assert (sale.version + 2 * RETURNS, 10 * RETURNS) == (found.session.version, found.session.points_reversed)
    (events,) = await (await operator.execute("SELECT count(*) FROM session_events_archive")).fetchone() or (-1,)
    assert len(sales) * (2 + 2 * RETURNS) == events


async def _is_archived(store: SessionStore, sale: Session) -> bool:
    return (await loaded(store, sale)).archived


async def _written(store: SessionStore, sale: Session, change: Callable[[Session], Session]) -> None:
    """Decide on the session as it is, again and again, until that is written."""
    while True:
        found = (await loaded(store, sale)).session
        try:
            return await store.commit(unit(found, change(found), Cause.RETURN_INTENDED))
        except StaleSession:
            continue
