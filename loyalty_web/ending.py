"""How a process ends: told to once, in order and in time; told again, or out of time, at once.

At once is safe: whatever was promised is in the database, and whoever has no answer repeats the call.
"""

import os
import threading
import time
from typing import Final, NoReturn

EXIT_CODE: Final = 1
"""Of a process that did not end in order."""
_SAME_WISH: Final = 1.0
"""Seconds in which a second signal is the first one once more: service managers tell each process of a group, and the
process that watches over the others tells them as well."""
_STDERR: Final = 2


class Ending:
    """Judges signals that ask for the end. Made where the process begins to listen to them."""

    def __init__(self, within: float) -> None:
        """From the first signal on there are so many seconds."""
        self._within = within
        self._heard: dict[int, float] = {}

    def is_first(self, number: int) -> bool:
        """Whether this is the signal to begin with; does not return where it is one to end at once."""
        now = time.monotonic()
        first = not self._heard
        heard_at = self._heard.setdefault(number, now)
        if first:
            deadline = threading.Timer(self._within, end_at_once, [f"not done after {self._within:g} seconds"])
            deadline.daemon = True
            deadline.start()
        elif now - heard_at >= _SAME_WISH:
            end_at_once("told to a second time")
        return first


def end_at_once(why: str) -> NoReturn:
    """End this process, whatever it is at."""
    # Past logging and past Python's own streams: whoever is stuck may hold their locks.
    os.write(_STDERR, f"Ending at once: {why}.\n".encode())
    os._exit(EXIT_CODE)
