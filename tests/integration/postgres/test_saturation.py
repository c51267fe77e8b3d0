"""When connections run out, callers are told within a second, and outcomes still get through."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import LiteralString

import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.errors import Overloaded
from loyalty_core.domain.session import Cause
from loyalty_core.ports.unit_of_work import Lane
from tests.contracts.sales import new_session, stored, unit


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Connections]:
    """Two connections for intake, one for outcomes, and three callers may wait."""
    settings = PostgresSettings(url=database_url, intake_connections=2, outcome_connections=1, waiting=3)
    async with Connections(settings) as opened:
        yield opened


@pytest.fixture
async def crowded(database_url: str) -> AsyncIterator[Connections]:
    """Two connections for a crowd."""
    settings = PostgresSettings(url=database_url, intake_connections=2, outcome_connections=1, waiting=100)
    async with Connections(settings) as opened:
        await asyncio.gather(*(opened.intake.run("SELECT 1", {}) for _ in range(10)))
        yield opened


async def test_a_saturated_intake_says_so_and_outcomes_go_on(small: Connections) -> None:
    """With every intake connection at work, intake is turned away in time; an outcome is written and read as ever."""
    store = PostgresSessions(small, RowAddresses())
    before = await stored(store, new_session())
    after = before.cancel(before.created_at)
    async with AsyncExitStack() as busy:
        for _ in range(2):
            await busy.enter_async_context(small.intake.connection())
        begun = time.monotonic()
        calls = [store.find(before.id), stored(store, new_session()), store.find_snapshot(before.customer)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        await store.commit(unit(before, after, Cause.CANCELLED, lane=Lane.OUTCOME))
        read_up = await store.find(before.id, lane=Lane.OUTCOME)
        assert time.monotonic() - begun < 1
    assert [Overloaded] * 3 == [type(outcome) for outcome in outcomes]
    assert read_up is not None
    assert after == read_up.session


async def test_without_connections_of_their_own_outcomes_are_turned_away(small: Connections) -> None:
    """The safeguard taken out: what PDI has booked then waits behind new work, and is turned away with it."""
    small.outcome = small.intake
    store = PostgresSessions(small, RowAddresses())
    before = await stored(store, new_session())
    async with AsyncExitStack() as busy:
        for _ in range(2):
            await busy.enter_async_context(small.intake.connection())
        with pytest.raises(Overloaded):
            await store.commit(unit(before, before.cancel(before.created_at), Cause.CANCELLED, lane=Lane.OUTCOME))


async def test_a_full_waiting_room_turns_away_at_once(small: Connections) -> None:
    """One more than may wait does not wait."""
    store = PostgresSessions(small, RowAddresses())
    session = await stored(store, new_session())
    async with AsyncExitStack() as busy:
        for _ in range(2):
            await busy.enter_async_context(small.intake.connection())
        waiting = [asyncio.create_task(store.find(session.id)) for _ in range(3)]
        await asyncio.sleep(0)
        while small.intake.stats()["requests_waiting"] < 3:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0)
        begun = time.monotonic()
        with pytest.raises(Overloaded):
            await store.find(session.id)
        assert time.monotonic() - begun < 0.2
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_waiting_callers_are_served_when_a_connection_comes_back(small: Connections) -> None:
    """A short burst is waited out, not refused."""
    store = PostgresSessions(small, RowAddresses())
    session = await stored(store, new_session())
    async with AsyncExitStack() as busy:
        for _ in range(2):
            await busy.enter_async_context(small.intake.connection())
        waiting = asyncio.create_task(store.find(session.id))
        while not small.intake.stats()["requests_waiting"]:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0)
    found = await waiting
    assert found is not None
    assert session == found.session


async def test_whoever_waits_longest_is_next(crowded: Connections) -> None:
    """Connections go from hand to hand in the order of asking."""
    served: list[int] = []

    async def ask(number: int) -> None:
        await crowded.intake.run("SELECT pg_sleep(0.001)", {})
        served.append(number)

    await asyncio.gather(*(ask(number) for number in range(40)))
    assert all(abs(number - place) <= 1 for place, number in enumerate(served))  # two are served at a time
    assert crowded.intake.stats()["connections_in_use"] == 0


async def test_who_gives_up_takes_no_connection_along(crowded: Connections) -> None:
    """Of a crowd some go away, at every moment of their wait; all others are served, and nothing is missing after."""

    async def ask() -> bool:
        return bool(await crowded.intake.run("SELECT 1", {}))

    for moments in range(40):
        crowd = [asyncio.create_task(ask()) for _ in range(8)]
        for _ in range(moments):
            await asyncio.sleep(0)
        for task in crowd[2::2]:
            task.cancel()
        heard = await asyncio.gather(*crowd, return_exceptions=True)
        assert {True} == {answer for number, answer in enumerate(heard) if number == 0 or number % 2}
    assert crowded.intake.stats()["connections_in_use"] == 0
    assert all(await asyncio.gather(ask(), ask()))


async def test_a_crowd_gets_past_a_connection_that_breaks(crowded: Connections) -> None:
    """Whoever waited for one that was lost gets another: none is left standing in line."""

    async def ask(statement: LiteralString) -> object:
        return await read(crowded.intake, statement, {})

    victims = [asyncio.create_task(ask("SELECT pg_terminate_backend(pg_backend_pid())")) for _ in range(2)]
    crowd = [asyncio.create_task(ask("SELECT 1")) for _ in range(10)]
    await asyncio.gather(*victims, return_exceptions=True)
    assert [[(1,)]] * 10 == await asyncio.gather(*crowd)
