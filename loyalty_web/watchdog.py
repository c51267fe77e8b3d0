"""Ends a process whose event loop has stalled, because nothing else in it can any more.

It can neither answer nor be stopped in an orderly way; whoever started it starts it again, and every promise it made
is in the database.
"""

import asyncio
import faulthandler
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

EXIT_CODE: Final = 70
"""As `sysexits.h` has it for an internal software error."""

_LOOKS: Final = 10
"""Looks in a row that find nothing moved before the process is ended. Counted in looks and not read off a clock: a
process that was suspended finds much time passed, but not many looks."""
_STDERR: Final = 2
_CONNECTIONS: Final = frozenset({ScopeType.HTTP, ScopeType.WEBSOCKET})


class Watched:
    """An ASGI application whose event loop is watched for as long as its lifespan lasts."""

    def __init__(self, app: ASGIApp, watchdog: "Watchdog") -> None:
        self._app = app
        self._watchdog = watchdog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] in _CONNECTIONS:
            await self._app(scope, receive, send)
        else:
            with self._watchdog:
                await self._app(scope, receive, send)


class Watchdog:
    """Watches the loop it is entered on. Context manager; `seconds` of 0 watch nothing.

    A loop that stands still, with the interpreter free, is noticed by a thread. Where native code holds the interpreter
    itself, that thread stands still too: then faulthandler's own timer, which needs neither, ends the process after
    twice the time. Either way the stacks of all threads go to standard error first.
    """

    def __init__(self, seconds: float, *, on_lag: Callable[[float], None] | None = None) -> None:
        """`on_lag` is told after each tick how many seconds late it came."""
        self._seconds = seconds
        self._every = seconds / _LOOKS
        self._on_lag = on_lag
        self._ticks = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds > 0:
            self._schedule()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._ended.set()
            self._thread.join()

    def _schedule(self) -> None:
        # Twice as often as it is looked for.
        pause = self._every / 2
        self._due = time.monotonic() + pause
        self._timer = asyncio.get_running_loop().call_later(pause, self._tick)

    def _tick(self) -> None:
        self._ticks += 1
        if self._on_lag is not None:
            self._on_lag(max(0.0, time.monotonic() - self._due))
        self._schedule()

    def _watch(self) -> None:
        seen, still = self._ticks, 0
        try:
            while not self._ended.wait(self._every):
                faulthandler.dump_traceback_later(2 * self._seconds, exit=True, file=_STDERR)
                if self._ticks == seen:
                    still += 1
                    if still >= _LOOKS:
                        self._end()
                else:
                    seen, still = self._ticks, 0
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _end(self) -> None:
        # Past logging and past Python's own streams: whoever is stuck may hold their locks.
        os.write(_STDERR, f"The event loop has not moved for {self._seconds:g} seconds; ending.\n".encode())
        faulthandler.dump_traceback(file=_STDERR, all_threads=True)
        os._exit(EXIT_CODE)
