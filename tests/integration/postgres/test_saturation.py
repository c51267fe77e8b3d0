"""When connections run out, callers are told within a second, and outcomes still get through."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from loyalty_adapters.postgres.connections import Connections
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
