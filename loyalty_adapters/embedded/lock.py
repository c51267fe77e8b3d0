import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, patience: float) -> Iterator[int]:
    """Hold the file lock `path` while inside; yields its descriptor. Raises `BlockingIOError` after `patience` seconds.

    The lock belongs to the open file, not to the process: a child that inherits the descriptor, and every process it
    forks, goes on holding the lock after we let go. So a lock that is free proves that none of them is left.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, time.monotonic() + patience)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return
