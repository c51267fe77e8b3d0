"""A process that archives and is struck dead on its way: ``python -m ... URL LIMIT BOUNDARY``.

A boundary is the moment just before a statement of the job is sent, or just after its answer has come; they count up
from 1. With 0 it lives until nothing is left, and says how much it has moved.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.postgres.archive_books import archive_all


class Death:
    """Comes at one boundary."""

    def __init__(self, boundary: int) -> None:
        self._left = boundary

    @contextmanager
    def around(self, _: str) -> Iterator[None]:
        """Around each statement."""
        self._pass_boundary()
        yield
        self._pass_boundary()

    def _pass_boundary(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    url, limit, boundary = sys.argv[1:]
    moved = asyncio.run(archive_all(url, int(limit), Death(int(boundary)).around))
    sys.stdout.write(f"{moved}\n")
