"""SIGHUP: how an operator asks processes to read their reward program again.

Unhandled it would end a process, so it is held back while a process gets ready, and in those that it starts from their
first moment (they inherit that), until there is somebody to answer. One that came too early is answered then.
"""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

_HANGUP: Final = {signal.SIGHUP}


def hold_hangups() -> None:
    """Let none end this process, nor those that its main thread starts from now on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANGUP)


def answer_hangups(answer: Callable[[], None]) -> None:
    """Call `answer` in the running loop, that of the main thread, for each one that comes, and for one held back."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, answer)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANGUP)


def take_held_hangup() -> bool:
    """Whether one was held back; it counts as answered."""
    if signal.SIGHUP not in signal.sigpending():
        return False
    signal.sigwait(_HANGUP)
    return True
