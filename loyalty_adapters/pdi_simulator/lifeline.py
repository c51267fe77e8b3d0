"""Dying with the parent, so that no test run leaves a simulator behind."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


class ParentGoneError(Exception):
    """The parent was gone before this process could ask to die with it."""


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends (Linux; no-op elsewhere).

    `parent` is the id of the process that started this one, 0 where it was not told.

    Raises:
        ParentGoneError: the parent ended before the request could be made.
    """
    if sys.platform != "linux":
        return
    before = os.getppid()
    # SIGKILL rather than SIGTERM: the ledger survives it, and nothing can delay it.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != (parent or before):
        raise ParentGoneError("The parent process has ended.")
