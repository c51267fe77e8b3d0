"""Conflicts between transactions are retried where they occur, a bounded number of times."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from loyalty_adapters.postgres import connections as connections_module
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.errors import Conflict, translated
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.errors import ConcurrentUpdate
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import CustomerSnapshot, SessionChange, UnitOfWork
from tests.contracts.sales import a_quote, changed, loaded, new_session, owed, settled, stored, unit
from tests.integration.postgres.observing import eventually, waiting_for_locks


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The SQLSTATE of every conflict that a statement has met."""
    met: list[str | None] = []

    def noting(error: psycopg.Error, connection: psycopg.AsyncConnection) -> Exception:
        meaning = translated(error, connection)
        if isinstance(meaning, Conflict):
            met.append(error.sqlstate)
        return meaning

    monkeypatch.setattr(connections_module, "translated", noting)
    return met


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[PostgresSessions]:
    """A store that waits a tenth of a second for a lock, three times."""
    async with Connections(PostgresSettings(url=database_url, lock_timeout=0.1, commit_attempts=3)) as opened:
        yield PostgresSessions(opened, RowAddresses())


async def test_a_serialization_failure_is_retried(
    store: PostgresSessions, conflicts: list[str | None], operator: psycopg.AsyncConnection, database_url: str
) -> None:
    """Another transaction changes the row, not the version, under our change: refused with 40001, then written."""
    before = await stored(store, new_session())
    after = before.quoted(a_quote(), before.created_at)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("UPDATE sessions SET deleted_at = NULL WHERE id = %s", (before.id,))
        commit = asyncio.create_task(store.commit(unit(before, after, Cause.QUOTED)))
        await eventually(lambda: waiting_for_locks(operator))
        await other.commit()
        await commit
    assert ["40001"] == conflicts
    assert after == (await loaded(store, before)).session


async def test_a_lost_race_is_stale_and_not_repeated_for_ever(
    store: PostgresSessions, conflicts: list[str | None], operator: psycopg.AsyncConnection, database_url: str
) -> None:
    """Where the other transaction made a version, the retry finds ours outdated and says so."""
    before = await stored(store, new_session())
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("UPDATE sessions SET version = version + 1 WHERE id = %s", (before.id,))
        commit = asyncio.create_task(store.commit(unit(before, before.cancel(before.created_at), Cause.CANCELLED)))
        await eventually(lambda: waiting_for_locks(operator))
        await other.commit()
        with pytest.raises(StaleSession):
            await commit
    assert ["40001"] == conflicts


async def test_retries_are_bounded(impatient: PostgresSessions, conflicts: list[str | None], database_url: str) -> None:
    """A row that stays locked is waited for a bounded number of times; then nothing was written."""
    before = await stored(impatient, new_session())
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", (before.id,))
        with pytest.raises(ConcurrentUpdate):
            await impatient.commit(unit(before, before.cancel(before.created_at), Cause.CANCELLED))
    assert ["55P03"] * 3 == conflicts
    assert before == (await loaded(impatient, before)).session


async def test_a_customer_who_buys_everywhere_at_once_is_served(
    store: PostgresSessions, conflicts: list[str | None]
) -> None:
    """Twenty sessions opened at once write one snapshot row; they conflict over it, and all are written."""
    sessions = [new_session(customer="C-everywhere") for _ in range(20)]

    async def open_one(number: int) -> None:
        session = sessions[number]
        member = Member(session.customer, "Gold", "Ada", number)
        await store.commit(
            UnitOfWork(
                changes=(SessionChange(before=None, after=session, cause=Cause.IDENTIFIED),),
                snapshot=CustomerSnapshot(member=member, at=session.created_at),
            )
        )

    await asyncio.gather(*(open_one(number) for number in range(20)))
    assert sessions == [(await loaded(store, session)).session for session in sessions]
    assert conflicts
    snapshot = await store.find_snapshot(sessions[0].customer)
    assert snapshot is not None
    assert max(session.created_at for session in sessions) == snapshot.at


async def test_strangers_do_not_conflict(store: PostgresSessions, conflicts: list[str | None]) -> None:
    """Three hundred young sales side by side, on the newest pages of every index: hardly a statement is repeated."""

    async def sell() -> None:
        session = await stored(store, new_session())
        found = await loaded(store, session)
        intended = owed(begun_at=found.now, next_attempt_at=found.now)
        steps: list[tuple[Callable[[Session], Session], Cause]] = [
            (lambda it: it.quoted(a_quote(), found.now), Cause.QUOTED),
            (lambda it: begun(it, intended), Cause.FINALIZE_INTENDED),
            (lambda it: settled(it, found.now), Cause.HOST_ACCEPTED),
        ]
        for step, cause in steps:
            session = await changed(store, session, step, cause)

    for _ in range(15):
        await asyncio.gather(*(sell() for _ in range(20)))
    assert len(conflicts) <= 12  # of 1,200 writes; a hundredth is left for tables that begin empty


def begun(session: Session, like: Session) -> Session:
    """`session` with the intent and the delivery of another."""
    assert like.intent is not None
    assert like.delivery is not None
    return session.begin_finalize(like.intent, like.delivery, session.created_at)
