"""Work that outlives whoever began it, and is done once for all who ask for the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

from loyalty_core.domain.errors import InFlight

ResultT = TypeVar("ResultT")

_ALONE: Final[AbstractContextManager[object]] = nullcontext()


class Flights:
    """The calls under way in this process, by what they are about.

    A flight runs in a task of its own: a caller that hangs up, or runs out of time, leaves it running. Its size is
    bounded by the calls that the web server admits.
    """

    def __init__(self, around_waits: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """`around_waits` is had around each wait of a caller for a flight that another has begun."""
        self._around_waits = around_waits
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def board(
        self, key: Hashable, work: Callable[[], Awaitable[ResultT]], *, within: float
    ) -> tuple[ResultT, bool]:
        """The result of `work`, and whether another caller had begun it already.

        Raises:
            InFlight: it took longer than `within` seconds; it goes on.
        """
        task = self._tasks.get(key)
        joined = task is not None
        if task is None:
            task = asyncio.ensure_future(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        with self._around_waits() if joined else _ALONE:
            # A caller that is cancelled, or waits no longer, leaves the task alone.
            await asyncio.wait((task,), timeout=within)
        if not task.done():
            raise InFlight
        return task.result(), joined

    async def drain(self) -> None:
        """Return when every flight has landed, however it ended."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks.values()))

    def _land(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Read, so that a failure whose every caller has hung up is not reported as one nobody looked at.
            task.exception()
