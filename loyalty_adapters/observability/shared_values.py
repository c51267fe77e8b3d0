"""Metric values that all processes of one service write and any of them can read.

With several web processes behind one port a scrape reaches one of them, another each time. What it answers must be the
sum of all, or counters would seem to go back. prometheus_client keeps such values in memory-mapped files, one set for
each process id; every restart then leaves files behind for good. Here files belong to *slots*: a process takes the
lowest slot nobody holds, and goes on counting where the last holder stopped. So there are never more files than
processes, counters survive a worker's death, and a lock that the kernel releases tells who is alive.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import values

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder that the processes share. Without it a process keeps its metrics to itself, at half the cost."""

_MOST_SLOTS: Final = 1024


class SharedFolder:
    """One process's part in the folder; it ends with the process."""

    def __init__(self, path: Path) -> None:
        """Take a slot.

        Raises:
            OSError: the folder cannot be made or written.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        with _alone_in(path):
            self.slot, self._held = self._take_lowest()
            # A gauge is about the process that set it, and that one is gone.
            _remove(path.glob(f"gauge_*_{self.slot}.db"))

    def forget_the_dead(self) -> None:
        """Remove the gauges of processes that have ended; their counters stay, for they have happened."""
        with _alone_in(self._path):
            for slot in _slots(self._path):
                if slot != self.slot and not _is_held(self._path, slot):
                    _remove(self._path.glob(f"gauge_live*_{slot}.db"))

    def install(self) -> None:
        """From now on, metrics that this process makes have their values in the folder."""
        os.environ[VARIABLE] = str(self._path)
        slot = self.slot
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]  # the library left it untyped

    def _take_lowest(self) -> tuple[int, int]:
        for slot in range(_MOST_SLOTS):
            held = _lock(self._path / f"slot_{slot}.lock")
            if held is not None:
                return slot, held
        raise OSError(f"more than {_MOST_SLOTS} processes share {self._path}")


def clear_shared_metrics() -> None:
    """Forget what an earlier run of the service has counted, unless a process of it is still alive.

    For the command that starts a service. Its processes must not: one that is started again alone after all have died
    would set every counter back.
    """
    folder = os.environ.get(VARIABLE)
    if not folder or not Path(folder).is_dir():
        return
    path = Path(folder)
    with _alone_in(path):
        if not any(_is_held(path, slot) for slot in _slots(path)):
            _remove(path.glob("*.db"))


def _slots(path: Path) -> Iterator[int]:
    return (int(lock.stem.removeprefix("slot_")) for lock in path.glob("slot_*.lock"))


def _is_held(path: Path, slot: int) -> bool:
    free = _lock(path / f"slot_{slot}.lock")
    if free is None:
        return True
    os.close(free)
    return False


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """No other process takes slots or looks at them meanwhile."""
    door = os.open(path / "folder.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield
    finally:
        os.close(door)


def _lock(path: Path) -> int | None:
    """An open file that holds the lock on `path`, or None where somebody else does."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _remove(files: Iterator[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
