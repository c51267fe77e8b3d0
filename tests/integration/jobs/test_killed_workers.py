"""Each tick of a job is run exactly once, whoever dies, and whenever."""

import asyncio
import contextlib
import itertools
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import psycopg
import pytest

from loyalty_adapters.postgres.sessions import PostgresSessions
from tests.integration.jobs.sessions import count, expired_sessions
from tests.integration.postgres.observing import eventually

_WORKERS: Final = 3
_SESSIONS: Final = 40
"""That expire with each tick: eight batches, and one that finds nothing left."""
_PATIENCE: Final = 60.0


class Crew:
    """Three workers, and another in the place of each that dies."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._numbers = itertools.count(1)
        self._workers: dict[str, Process] = {}
        self._tick = ""

    async def fill_up(self) -> None:
        while len(self._workers) < _WORKERS:
            name = f"worker {next(self._numbers)}"
            arguments = [sys.executable, "-m", "tests.integration.jobs.runner_process", self._url, name]
            self._workers[name] = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE)
            await self._tell(self._workers[name])

    async def force(self, tick: datetime) -> None:
        """All of them hear that this tick has come."""
        self._tick = tick.isoformat()
        for worker in self._workers.values():
            await self._tell(worker)

    async def kill(self, name: str) -> None:
        """Without a word, at once."""
        worker = self._workers.pop(name)
        worker.kill()
        await worker.wait()

    def anybody(self, chance: random.Random) -> str:
        return chance.choice(sorted(self._workers))

    async def dismiss(self) -> list[int | None]:
        """No more ticks: each ends by itself; how."""
        for worker in self._workers.values():
            assert worker.stdin is not None
            worker.stdin.close()
        return [await asyncio.wait_for(worker.wait(), _PATIENCE) for worker in self._workers.values()]

    async def _tell(self, worker: Process) -> None:
        if self._tick:
            assert worker.stdin is not None
            worker.stdin.write(f"{self._tick}\n".encode())
            await worker.stdin.drain()

    @classmethod
    @asynccontextmanager
    async def of(cls, database_url: str) -> AsyncIterator["Crew"]:
        crew = cls(database_url)
        await crew.fill_up()
        try:
            yield crew
        finally:
            for worker in crew._workers.values():
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()


async def _holder(operator: psycopg.AsyncConnection, tick: datetime) -> str | None:
    """Who is in the middle of the tick's run, some of it done."""
    rows = await operator.execute(
        "SELECT runner FROM job_runs WHERE tick = %s AND status = 'running' AND (counts ->> 'expired')::int > 0",
        (tick,),
    )
    found = await rows.fetchone()
    return None if found is None else found[0]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ticks", [8, pytest.param(60, marks=pytest.mark.slow)])
async def test_each_tick_is_run_exactly_once_whoever_dies(
    database_url: str, operator: psycopg.AsyncConnection, store: PostgresSessions, ticks: int
) -> None:
    """With a worker killed at every other tick, each tick has one run, done; nobody ran beside anybody."""
    seed = random.randrange(1 << 30)
    chance, deaths, forced = random.Random(seed), Counter[str](), []
    await operator.execute("CREATE TABLE batches (runner text, tick timestamptz, began timestamptz, ended timestamptz"
                           " DEFAULT clock_timestamp())")  # fmt: skip
    async with Crew.of(database_url) as crew:
        for number in range(ticks):
            await expired_sessions(operator, store, _SESSIONS)
            (tick,) = await (await operator.execute("SELECT clock_timestamp()")).fetchone() or (None,)
            forced.append(tick)
            await crew.force(tick)
            if number % 4 == 0:
                deaths["in a run"] += await _kill_the_holder(crew, operator, tick)
            elif number % 4 == 2:
                await asyncio.sleep(chance.random() * 0.2)
                await crew.kill(crew.anybody(chance))
                deaths["at any time"] += 1
            await eventually(lambda tick=tick: _is_done(operator, tick), within=_PATIENCE)  # type: ignore[misc]  # mypy can't infer a lambda with a default
            await crew.fill_up()
        assert [0] * _WORKERS == await crew.dismiss()
    print(f"seed {seed}: {dict(deaths)}")  # noqa: T201 - what happened in this run
    runs = await (await operator.execute("SELECT tick, status, ticks, error FROM job_runs ORDER BY tick")).fetchall()
    assert [(tick, "done", 1, None) for tick in forced] == runs
    assert deaths["in a run"] >= ticks // 5
    assert deaths["in a run"] <= await count(operator, "SELECT count(*) FROM job_runs WHERE attempts > 1")
    assert 0 == await count(operator, "SELECT count(*) FROM sessions WHERE open_until < now()")
    expired = "SELECT count(*) FROM session_events WHERE cause = 'expired'"
    assert ticks * _SESSIONS == await count(operator, expired)
    overlapping = (
        "SELECT count(*) FROM batches a, batches b WHERE a.ctid < b.ctid AND a.began < b.ended AND b.began < a.ended"
    )
    assert 0 == await count(operator, overlapping)


async def _kill_the_holder(crew: Crew, operator: psycopg.AsyncConnection, tick: datetime) -> int:
    """Kill whoever is in the middle of the tick's run; 0 where it was done before anybody could be caught at it."""
    async with asyncio.timeout(_PATIENCE):
        while (holder := await _holder(operator, tick)) is None:
            if await _is_done(operator, tick):
                return 0
            await asyncio.sleep(0.005)
    await crew.kill(holder)
    return 1


async def _is_done(operator: psycopg.AsyncConnection, tick: datetime) -> bool:
    rows = await operator.execute("SELECT 1 FROM job_runs WHERE tick = %s AND finished_at IS NOT NULL", (tick,))
    return await rows.fetchone() is not None
