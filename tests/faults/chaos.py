"""What kills, cuts and stops the parts of a stack while it is under load, and counts what it has done."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, LiteralString

import psycopg

from tests.faults.stack import Stack

_TERMINATE: Final[LiteralString] = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name LIKE 'loyalty-%' AND pid <> pg_backend_pid()
"""
_SHORT: Final = 0.02
_LONG: Final = 0.4
"""Seconds between two blows, drawn evenly: often before the last victim is back."""
_SOON: Final = 10.0
_LOOK: Final = 0.05
"""Seconds in which, and between which, connections are looked for that can be cut."""


class Chaos:
    """Blows against a stack. `done` counts those that were struck."""

    def __init__(self, stack: Stack, *, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._stack = stack
        self._random = random.Random(seed)

    async def kill_processes(self, kills: int) -> None:
        """`kill -9` for random replicas and workers at random moments; each is started again at once."""
        while self.done["kill web"] + self.done["kill worker"] < kills:
            await asyncio.sleep(self._random.uniform(_SHORT, _LONG))
            victim = self._random.choice(self._stack.programs)
            if victim.running and victim.has_spoken:  # killing one that is not up yet would prove nothing
                await victim.kill()
                self.done[f"kill {victim.name.partition('-')[0]}"] += 1
                victim.start()

    async def strike(self, blow: Callable[[], Awaitable[None]], times: int, *, every: float) -> None:
        """The same blow so many times, about `every` seconds apart."""
        for _ in range(times):
            await asyncio.sleep(every * self._random.uniform(0.5, 1.5))
            await blow()

    async def restart_database(self) -> None:
        """PostgreSQL dies as in a crash and is started again on what it has on disk."""
        postgres = self._stack.servers.postgres
        postgres.kill()
        postgres.start()
        self.done["restart database"] += 1

    async def cut_connections(self) -> None:
        """Every connection of the service is terminated by the database, as soon as there is one to terminate."""
        deadline = time.monotonic() + _SOON
        cut = 0
        while not cut and time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):  # it is just being restarted: there will be some to cut soon
                cut = await self._cut_all()
            await asyncio.sleep(_LOOK)
        self.done["cut connections"] += cut

    async def _cut_all(self) -> int:
        async with await psycopg.AsyncConnection.connect(self._stack.database_url, autocommit=True) as connection:
            found = await (await connection.execute(_TERMINATE)).fetchone()
        assert found is not None
        return int(found[0])

    async def pause_cache(self, seconds: float) -> None:
        """Valkey accepts connections and answers nothing for a while."""
        pid = self._stack.servers.valkey.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.done["pause cache"] += 1

    async def make_pdi_unreliable(self) -> None:
        """A few calls in a hundred are booked and cut, never answered, or answered with nonsense."""
        rules = [
            {"mode": mode, "probability": 0.03, "seed": self._random.randrange(1 << 30)}
            for mode in ("drop_after_commit", "timeout", "garbage", "http_503")
        ]
        await self._stack.pdi.put_faults(rules)

    async def restart_pdi(self) -> None:
        """PDI dies and comes back with its books, and as unreliable as it was."""
        await self._stack.pdi.restart()
        await self.make_pdi_unreliable()
        self.done["restart pdi"] += 1
