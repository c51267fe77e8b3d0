import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar, TypeVarTuple

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

_GRID: Final = 1024.0
"""Moments in a second: on a grid, so that many timers are due at once and their order is drawn by lot."""


class NothingCanHappen(AssertionError):
    """Everybody waits and no time would wake anybody: a deadlock."""


class _NoSockets:
    """Where a real loop waits for the network, this one lets the time pass at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise NothingCanHappen(f"at {self.now:.3f} s everybody waits for somebody else")
        self.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own event loop on a clock that jumps to the next timer. Timers of one moment fire in an order drawn.

    Callbacks that are ready run in the order they became so, as asyncio promises; which of two answers on their way
    arrives first is anybody's guess.
    """

    def __init__(self, lot: random.Random) -> None:
        super().__init__()
        self.failures: Final[list[dict[str, Any]]] = []
        """What no task took care of; each is a defect."""
        self._lot = lot
        self._selector = _NoSockets()
        self.set_task_factory(_task)
        self.set_exception_handler(lambda _loop, context: self.failures.append(context))

    def play(self, main: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run `main` to its end; whatever is still waiting then is left where it is, for ever.

        Raises:
            NothingCanHappen: `main` waits for what never comes.
        """
        try:
            return self.run_until_complete(main)
        finally:
            self.close()

    def time(self) -> float:
        return self._selector.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*ArgumentsT], object],
        *args: *ArgumentsT,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Never early. The lot is far below the grid, and far above what separates two floats.
        moment = math.ceil(when * _GRID) / _GRID
        return super().call_at(moment + self._lot.random() / (_GRID * _GRID), callback, *args, context=context)

    def _process_events(self, events: list[object]) -> None:
        """There are none."""


def _task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    # Processes that die leave their tasks behind, on purpose.
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio has no public way to say so
    return task
