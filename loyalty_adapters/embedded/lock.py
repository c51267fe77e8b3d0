import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def take_lock(path: Path, *, patience: float) -> int:
    """Take the file lock `path`; the descriptor that holds it, to be closed. Raises `BlockingIOError` after `patience`.

    The lock belongs to the open file, not to the process: a child that inherits the descriptor, and every process it
    forks, goes on holding the lock after we let go. So a lock that is free proves that none of them is left.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(descriptor, time.monotonic() + patience)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path, *, patience: float) -> Iterator[int]:
    """Hold the file lock `path` while inside; yields its descriptor, as `take_lock` does."""
    descriptor = take_lock(path, patience=patience)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return
