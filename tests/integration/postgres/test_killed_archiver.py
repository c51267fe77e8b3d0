"""An archiver that is killed at any moment leaves every row in one place, and the next one goes on."""

import asyncio
import os
import random
import signal
import sys
from functools import partial
from typing import LiteralString

import psycopg
import pytest

from tests.benchmarks.seed import seed
from tests.integration.postgres.archive_books import archive_all, astray, every_row, places
from tests.integration.postgres.observing import eventually

BOUNDARIES = 4
"""Of a batch: before and after the look for what is next, before and after the move, which is not committed yet."""
DEATHS = 10
_LEFT: LiteralString = """
SELECT (SELECT count(*) FROM sessions WHERE closed_at < now() - interval '30 days 1 hour' AND owed_since IS NULL)
     + (SELECT count(*) FROM job_runs WHERE finished_at IS NULL)
"""


async def _process(url: str, limit: int, boundary: int = 0) -> asyncio.subprocess.Process:
    module = "tests.integration.postgres.archiving_process"
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, url, str(limit), str(boundary), stdout=asyncio.subprocess.PIPE
    )


async def _command(url: str, batch: str) -> asyncio.subprocess.Process:
    words = ("jobs", "run", "archive-finalized", "--batch", batch)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loyalty_web.cli", *words),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "DATABASE_URL": url, "JOB_LEASE_SECONDS": "0.1"},
    )


async def _has_moved_some(operator: psycopg.AsyncConnection, before: int) -> bool:
    return (await places(operator)).archived > before


async def _archived_to_the_end(url: str, operator: psycopg.AsyncConnection, before: str) -> None:
    await archive_all(url, 50)
    assert (0, before) == (await astray(operator), await every_row(operator))
    assert (await places(operator)).movable == 0


async def test_dead_at_each_boundary_of_a_statement(empty_database_url: str) -> None:
    """Before and after each statement of three batches: no row is lost or doubled, and the next one goes on."""
    await seed(empty_database_url, 300, tell=lambda _: None)
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as operator:
        before = await every_row(operator)
        begun = await places(operator)
        for boundary in range(1, DEATHS + 1):
            process = await _process(empty_database_url, 10, boundary)
            assert -signal.SIGKILL == await process.wait()
            assert (0, before) == (await astray(operator), await every_row(operator))
        batches = sum((boundary - 1) // BOUNDARIES for boundary in range(1, DEATHS + 1))
        assert begun._replace(
            live=begun.live - 10 * batches, archived=10 * batches, movable=begun.movable - 10 * batches
        ) == await places(operator)
        await _archived_to_the_end(empty_database_url, operator, before)


@pytest.mark.slow
async def test_the_command_killed_again_and_again(empty_database_url: str) -> None:
    """`loyalty jobs run`, killed at random from outside: what is under way is done whole or not at all.

    Each takes up the run that the one before it has left, and the last one ends it.
    """
    await seed(empty_database_url, 20_000, tell=lambda _: None)
    chance = random.Random(1)
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as operator:
        before = await every_row(operator)
        steps = set()
        for _ in range(25):
            archived = (await places(operator)).archived
            process = await _command(empty_database_url, "5")
            await eventually(partial(_has_moved_some, operator, archived), within=30.0)
            await asyncio.sleep(chance.uniform(0, 0.03))
            process.kill()
            assert -signal.SIGKILL == await process.wait()
            assert 0 == await astray(operator)
            steps.add((await places(operator)).archived - archived)
        assert len(steps) > 1
        last = await _command(empty_database_url, "500")
        assert 0 == await last.wait()
        assert (0,) == await (await operator.execute(_LEFT)).fetchone()
        await _archived_to_the_end(empty_database_url, operator, before)
