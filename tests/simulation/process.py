import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from tests.simulation.faults import Fault, Weather
from tests.simulation.history import History
from tests.simulation.virtual_loop import VirtualLoop

ResultT = TypeVar("ResultT")

FLIGHT: Final[ContextVar[int | None]] = ContextVar("FLIGHT", default=None)
"""The piece of work on whose behalf something is done; set by `WatchedFlights`."""

_DELAYS: Final = (0.001, 0.002, 0.002, 0.01, 0.05)


def at_once(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a coroutine that never waits, as those of the memory adapters."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: ResultT = ended.value
        return result
    raise AssertionError("it was to be done at once")


def _outcome_of(effect: Callable[[], object]) -> object:
    """What it returns or raises; both travel back."""
    try:
        return effect()
    except Exception as raised:  # noqa: BLE001 - whatever it is, it is somebody's answer
        return raised


class Process:
    """One operating system process: it can stall, and it can die between any two steps, with all that it had in memory.

    Everything that leaves it goes through `exchange`. Nothing of a dead process runs again: no handler of exceptions,
    no `finally`; what it had sent may arrive all the same.
    """

    def __init__(self, name: str, loop: VirtualLoop, weather: Weather, history: History) -> None:
        self.name: Final = name
        self.alive = True
        self.loop: Final = loop
        self.weather: Final = weather
        self.history: Final = history
        self.on_death: Callable[[], None] = lambda: None
        self._resumes_at = 0.0

    def exchange(
        self, what: str, effect: Callable[[], ResultT], *, slow: float = 0.0, within: float | None = None
    ) -> "asyncio.Future[ResultT]":
        """Send a request, have `effect` happen at its destination, receive the result or the exception.

        `slow` seconds are added to the way there. After `within` seconds the answer is given up with `TimeoutError`,
        which stops nothing at the destination.
        """
        reply: asyncio.Future[ResultT] = self.loop.create_future()
        if not self.alive:
            return reply
        if self.weather.strikes(Fault.CRASH_BEFORE):
            self.die(f"before {what}")
            return reply
        if self.weather.strikes(Fault.STALL):
            self.stall()
        dies = self.weather.strikes(Fault.CRASH_AFTER)

        def arrive() -> None:
            outcome = _outcome_of(effect)
            if dies and self.alive:
                self.die(f"after {what}")
            self.loop.call_later(self.weather.lot.choice(_DELAYS), self._deliver, reply, outcome)

        self.loop.call_later(self.weather.lot.choice(_DELAYS) + slow, arrive)
        if within is not None:
            self.loop.call_later(within, self._deliver, reply, TimeoutError())
        return reply

    def _deliver(self, reply: "asyncio.Future[Any]", outcome: Any) -> None:
        if not self.alive or reply.done():
            return
        if self.loop.time() < self._resumes_at:
            self.loop.call_at(self._resumes_at, self._deliver, reply, outcome)
        elif isinstance(outcome, Exception):
            reply.set_exception(outcome)
        else:
            reply.set_result(outcome)

    async def sleep(self, seconds: float) -> None:
        """Let time pass, longer where the process stalls, for ever where it dies."""
        waking: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_later(seconds, self._deliver, waking, None)
        await waking

    def die(self, where: str) -> None:
        """End at once."""
        self.alive = False
        self.history.note(self.name, "dies %s", where)
        self.on_death()

    def stalled_since(self, start: float) -> bool:
        """Whether it has stalled after `start`, so that its answers may be late."""
        return self._resumes_at > start

    def stall(self) -> None:
        """Do nothing for a while; what arrives meanwhile waits."""
        seconds = self.weather.lot.choice((1.0, 3.0, 15.0, 40.0, 40.0))
        self._resumes_at = self.loop.time() + seconds
        self.history.note(self.name, "stalls for %s s", seconds)
