"""Outcomes that are written in one transaction, and what keeps one of them from being written keeps back no other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, nullcontext

import msgspec
import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.errors import StorageRefused
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_groups import CHANGE_MANY
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import CustomerSnapshot, Lane, SessionChange, UnitOfWork
from tests.contracts.sales import a_quote, loaded, new_session, stored, unit
from tests.faults.proxy import Act, FaultProxy, through
from tests.integration.postgres.observing import eventually, waiting_for_locks

SESSIONS = 12


class _Sent(list[str]):
    """Every statement that was sent."""

    def __call__(self, statement: str) -> AbstractContextManager[object]:
        self.append(statement)
        return nullcontext()

    @property
    def groups(self) -> int:
        return self.count(CHANGE_MANY)


@pytest.fixture
def sent() -> Iterator[_Sent]:
    """What the store has sent; a test that saw no group has shown nothing."""
    statements = _Sent()
    yield statements
    assert statements.groups > 0


@pytest.fixture
async def store(database_url: str, sent: _Sent) -> AsyncIterator[PostgresSessions]:
    patient = PostgresSettings(url=database_url, lock_timeout=20.0, statement_timeout=20.0)
    async with Connections(patient, sent) as opened:
        yield PostgresSessions(opened, RowAddresses())


@pytest.fixture
async def cut_off(database_url: str, proxy: FaultProxy, sent: _Sent) -> AsyncIterator[PostgresSessions]:
    """The same through the proxy."""
    async with Connections(PostgresSettings(url=through(proxy, database_url)), sent) as opened:
        yield PostgresSessions(opened, RowAddresses())


async def _opened(store: PostgresSessions) -> list[Session]:
    return [await stored(store, new_session()) for _ in range(SESSIONS)]


def _emptied(before: Session) -> Session:
    return before.quoted(a_quote(), before.created_at)


def _work(before: Session, after: Session) -> UnitOfWork:
    return unit(before, after, Cause.EMPTIED, lane=Lane.OUTCOME)


async def _commit_all(store: PostgresSessions, sessions: list[Session]) -> list[BaseException | None]:
    """What became of a change of each, all committed at once."""
    works = [store.commit(_work(session, _emptied(session))) for session in sessions]
    return await asyncio.gather(*works, return_exceptions=True)


async def _timelines(operator: psycopg.AsyncConnection, sessions: list[Session]) -> list[list[int]]:
    rows = await operator.execute(
        "SELECT array_agg(version ORDER BY version) FROM session_events WHERE session_id = ANY(%s) GROUP BY session_id",
        ([session.id for session in sessions],),
    )
    return [versions for (versions,) in await rows.fetchall()]


async def test_what_comes_together_takes_few_statements(
    store: PostgresSessions, sent: _Sent, operator: psycopg.AsyncConnection
) -> None:
    """Twelve outcomes at once are one by itself and the rest in a group or two, and each is in its own timeline."""
    sessions = await _opened(store)
    sent.clear()
    assert [None] * SESSIONS == await _commit_all(store, sessions)
    assert len(sent) <= SESSIONS / 2
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)


async def test_a_locked_row_keeps_nobody_waiting_but_its_own(
    store: PostgresSessions, database_url: str, operator: psycopg.AsyncConnection
) -> None:
    """The others are written while it is locked, and it is once it is free."""
    sessions = await _opened(store)
    locked = sessions[5]
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", (locked.id,))
        works = [asyncio.create_task(store.commit(_work(session, _emptied(session)))) for session in sessions]
        await asyncio.wait(works[:5] + works[6:])
        await eventually(lambda: waiting_for_locks(operator))
        assert not works[5].done()
        await holder.rollback()
        await asyncio.gather(*works)
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)


async def test_a_conflict_of_one_is_met_by_each_alone(
    store: PostgresSessions, database_url: str, operator: psycopg.AsyncConnection
) -> None:
    """Another is about to write what one of the group writes too: that one waits for it, and the others do not."""
    sessions = await _opened(store)

    def settling(session: Session) -> UnitOfWork:
        taken = CustomerSnapshot(member=Member(session.customer, "Gold"), at=session.created_at)
        return msgspec.structs.replace(_work(session, _emptied(session)), snapshot=taken)

    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute(
            "INSERT INTO customer_snapshots (customer_id, taken_at) VALUES (%s, '2020-01-01')", (sessions[5].customer,)
        )
        works = [asyncio.create_task(store.commit(settling(session))) for session in sessions]
        async with asyncio.timeout(10):
            await asyncio.wait(works[:5] + works[6:])
        await eventually(lambda: waiting_for_locks(operator))
        assert not works[5].done()
        await other.commit()
        await asyncio.gather(*works)
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)
    snapshot = await store.find_snapshot(sessions[5].customer)
    assert snapshot is not None
    assert "Gold" == snapshot.member.tier


async def test_what_the_database_refuses_takes_nobody_with_it(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """One change breaks a rule of the schema: it alone is refused, as it would have been by itself."""
    sessions = await _opened(store)
    broken = msgspec.structs.replace(_emptied(sessions[5]), redeemed_points=-1)
    works = [
        store.commit(_work(session, broken if session is sessions[5] else _emptied(session))) for session in sessions
    ]
    ended = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(ended[5], StorageRefused)
    assert [None] * (SESSIONS - 1) == ended[:5] + ended[6:]
    assert sorted([[1]] + [[1, 2]] * (SESSIONS - 1)) == sorted(await _timelines(operator, sessions))


async def test_two_changes_of_one_version_are_never_both_written(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """In one group they would be one row with two entries in its timeline: one is written, the other is told."""
    sessions = await _opened(store)
    ended = await _commit_all(store, [*sessions, *sessions])
    for one, other in zip(ended[:SESSIONS], ended[SESSIONS:], strict=True):
        assert [StaleSession] == [type(error) for error in (one, other) if error is not None]
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)


async def test_two_steps_of_one_session_are_one_row_and_two_entries(
    store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Also where nothing else is under way."""
    before = await stored(store, new_session())
    between = _emptied(before)
    after = between.cancel(before.created_at)
    changes = (
        SessionChange(before=before, after=between, cause=Cause.QUOTED),
        SessionChange(before=between, after=after, cause=Cause.CANCELLED),
    )
    await store.commit(UnitOfWork(changes=changes, lane=Lane.OUTCOME))
    assert after == (await loaded(store, before)).session
    assert [[1, 2, 3]] == await _timelines(operator, [before])


@pytest.mark.parametrize("act", [Act.LOSE_REQUEST, Act.LOSE_ANSWER, Act.ORPHAN])
async def test_a_lost_group_is_resolved_one_by_one(
    act: Act, proxy: FaultProxy, cut_off: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Whether or not the server got it, each of its changes is made once, and each caller is told so."""
    sessions = await _opened(cut_off)
    trap = proxy.trap(b'"cause":"emptied"', act)
    assert [None] * SESSIONS == await _commit_all(cut_off, sessions)
    assert trap.sprung
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)


async def test_an_address_that_moved_is_looked_for(store: PostgresSessions, operator: psycopg.AsyncConnection) -> None:
    """A row that lies elsewhere by now is left out of the group, and found by its id."""
    sessions = await _opened(store)
    await operator.execute("UPDATE sessions SET tier = tier WHERE id = %s", (sessions[5].id,))
    assert [None] * SESSIONS == await _commit_all(store, sessions)
    assert [[1, 2]] * SESSIONS == await _timelines(operator, sessions)
