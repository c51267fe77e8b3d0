"""Work that outlives whoever began it, and is done once for all who ask for the same at the same time."""

import asyncio
import random

import pytest

from loyalty_core.domain.errors import InFlight, SessionExpired
from loyalty_core.use_cases.flights import Flights
from tests.simulation.virtual_loop import VirtualLoop


async def test_twins_share_one_flight() -> None:
    """A hundred equal calls at once are one piece of work and one result; another call is another."""
    flights, begun = Flights(), []
    gate = asyncio.Event()

    async def work() -> object:
        begun.append(1)
        await gate.wait()
        return object()

    twins = [asyncio.ensure_future(flights.board("a", work, within=5)) for _ in range(100)]
    other = asyncio.ensure_future(flights.board("b", work, within=5))
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*twins)

    assert 1 == len({id(result) for result, _ in results})
    assert [False, *[True] * 99] == [joined for _, joined in results]
    assert results[0][0] is not (await other)[0]
    assert [1, 1] == begun


async def test_a_landed_flight_is_not_boarded() -> None:
    """Once it is done, the next call begins anew."""
    flights, begun = Flights(), []

    async def work() -> int:
        begun.append(1)
        return len(begun)

    assert (1, False) == await flights.board("a", work, within=5)
    await flights.drain()
    assert (2, False) == await flights.board("a", work, within=5)


async def test_who_hangs_up_stops_nothing() -> None:
    """The first caller's end is not the work's, and the second one gets its result."""
    flights, gate = Flights(), asyncio.Event()

    async def work() -> str:
        await gate.wait()
        return "done"

    first = asyncio.ensure_future(flights.board("a", work, within=5))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.ensure_future(flights.board("a", work, within=5))
    await asyncio.sleep(0)
    gate.set()

    assert ("done", True) == await second
    assert first.cancelled()


async def test_an_error_is_everybodys() -> None:
    """Twins get the error of the one piece of work."""
    flights = Flights()

    async def work() -> None:
        raise SessionExpired

    outcomes = await asyncio.gather(*(flights.board("a", work, within=5) for _ in range(3)), return_exceptions=True)

    assert [SessionExpired] * 3 == [type(outcome) for outcome in outcomes]


async def test_an_error_that_nobody_waits_for_is_looked_at() -> None:
    """A failure whose every caller has hung up is no surprise to the event loop."""
    flights, gate = Flights(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise SessionExpired

    caller = asyncio.ensure_future(flights.board("a", work, within=5))
    await asyncio.sleep(0)
    caller.cancel()
    gate.set()
    await flights.drain()  # a warning here would be an error

    assert caller.cancelled()


async def test_a_cancelled_flight_lands() -> None:
    """Shutting the loop down leaves no flight on the board."""
    flights = Flights()

    async def work() -> None:
        asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one: this is it
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await flights.board("a", work, within=5)
    await flights.drain()


def _in_virtual_time(takes: float, within: float) -> tuple[str, float]:
    loop = VirtualLoop(random.Random(0))

    async def play() -> tuple[str, float]:
        flights = Flights()

        async def work() -> str:
            await asyncio.sleep(takes)
            return "landed"

        try:
            answer, _ = await flights.board("a", work, within=within)
        except InFlight:
            answer = "in flight"
        return answer, round(loop.time(), 3)

    return loop.play(play())


@pytest.mark.parametrize(("takes", "expected"), [(1.0, ("landed", 1.0)), (3.0, ("in flight", 2.0))])
def test_time_runs_out(takes: float, expected: tuple[str, float]) -> None:
    """A caller waits for so long and no longer."""
    assert expected == _in_virtual_time(takes, within=2.0)


async def test_time_that_runs_out_as_the_work_ends() -> None:
    """Where both happen in one turn of the loop, the caller gets the result, which is there, and not a time-out."""
    flights, loop = Flights(), asyncio.get_running_loop()
    gate: asyncio.Future[str] = loop.create_future()

    async def work() -> str:
        return await gate

    caller = asyncio.ensure_future(flights.board("a", work, within=0.01))
    await asyncio.sleep(0)

    # The time-out fires, the caller is about to wake with it, and before it does the work ends.
    loop.call_at(loop.time() + 0.005, _busy, loop, gate)

    assert ("landed", False) == await caller


def _busy(loop: asyncio.AbstractEventLoop, gate: "asyncio.Future[str]") -> None:
    """Hold the loop up past the time-out, so that it and the end of the work are due in the same turn."""
    until = loop.time() + 0.01
    while loop.time() < until:
        pass
    gate.set_result("landed")


async def test_a_time_out_of_the_works_own() -> None:
    """`TimeoutError` from the work itself is the work's error, not a sign that it goes on."""
    flights = Flights()

    async def work() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await flights.board("a", work, within=5)
