import asyncio
from collections.abc import Callable
from typing import Final

_LATE: Final = 0.02  # seconds that our own event loop may be late before somebody else is given one more look


class Patience:
    """Gives up on somebody after `seconds`, unless `end` is called before.

    Where the loop itself was held up, timers come before what has been received meanwhile: then there is one more look,
    for it is not the other side that was slow.
    """

    __slots__ = ("_due", "_give_up", "_loop", "_timer")

    def __init__(self, seconds: float, give_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._give_up = give_up
        self._due = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._due, self._run_out)

    def end(self) -> None:
        """What was waited for has come, or does not matter any more."""
        self._timer.cancel()

    def _run_out(self) -> None:
        now = self._loop.time()
        if now - self._due > _LATE:
            self._timer = self._loop.call_at(now + _LATE, self._give_up)
        else:
            self._give_up()
