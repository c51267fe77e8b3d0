"""An archiver that is killed at any moment leaves every row in one place, and the next one goes on."""

import asyncio
import random
import signal
import sys
from functools import partial

import psycopg
import pytest

from tests.benchmarks.seed import seed
from tests.integration.postgres.archive_books import archive_all, astray, every_row, places
from tests.integration.postgres.observing import eventually

BOUNDARIES = 4
"""Of a batch: before and after the look for what is next, before and after the move, which is not committed yet."""
DEATHS = 10


async def _process(url: str, limit: int, boundary: int = 0) -> asyncio.subprocess.Process:
    module = "tests.integration.postgres.archiving_process"
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, url, str(limit), str(boundary), stdout=asyncio.subprocess.PIPE
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
async def test_killed_fifty_times(empty_database_url: str) -> None:
    """Killed at random from outside, fifty times; a statement that is under way is done whole or not at all."""
    await seed(empty_database_url, 20_000, tell=lambda _: None)
    chance = random.Random(1)
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as operator:
        before = await every_row(operator)
        steps = set()
        for _ in range(50):
            process = await _process(empty_database_url, 5)
            archived = (await places(operator)).archived
            await eventually(partial(_has_moved_some, operator, archived), within=30.0)
            await asyncio.sleep(chance.uniform(0, 0.03))
            process.kill()
            assert -signal.SIGKILL == await process.wait()
            assert 0 == await astray(operator)
            steps.add((await places(operator)).archived - archived)
        assert len(steps) > 1
        await _archived_to_the_end(empty_database_url, operator, before)
