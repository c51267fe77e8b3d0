"""Replicas and workers restarted under load, as a rolling update restarts them: nobody notices."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.balancer import Balancer
from tests.faults.load import Load
from tests.faults.stack import Stack, until
from tests.faults.times import LONG

_RESTARTS: Final = int(os.environ.get("LOYALTY_FAULTS_RESTARTS", "50" if LONG else "5"))
_TERMINALS: Final = 6
_SETTINGS: Final = {"DRAIN_SECONDS": "0.3", "SHUTDOWN_SECONDS": "15"}
"""Time for the balancer to notice, and then for what is under way."""


@pytest.mark.timeout(120 + 20 * _RESTARTS)
async def test_a_rolling_update_drops_nothing(tmp_path: Path) -> None:
    """Every call gets an answer, none of them an error; each process ends by itself; the books are right."""
    async with Stack(tmp_path, replicas=2, workers=1, settings=_SETTINGS) as stack:
        async with Balancer(stack.urls, stack.key, patience=30.0) as balancer:
            load = Load(balancer)
            selling = asyncio.create_task(load.run(terminals=_TERMINALS))
            codes, took = [], []
            for number in range(_RESTARTS):
                victim = number % len(stack.replicas)
                await _until_ready(balancer, victim, balancer.heard + 3 * _TERMINALS)
                await until(_at_work(stack), "everybody is at work", 60)
                began = time.monotonic()
                ended = await asyncio.gather(*(program.stop() for program in (stack.replicas[victim], *stack.workers)))
                took.append(time.monotonic() - began)
                codes += ended
                for program in (stack.replicas[victim], *stack.workers):
                    program.start()
            await stack.all_answer()
            load.stop()
            record = await selling
        await stack.drained(60)
        verdict = await stack.check(record.observations())
    print(  # noqa: T201 - the figures of the run
        f"{_RESTARTS} restarts of a replica and a worker, {min(took):.1f} to {max(took):.1f} s each; "
        f"{len(record.calls)} calls, {len(balancer.broken)} dropped; {verdict}; {dict(record.codes())}"
    )
    assert [] == balancer.broken
    assert {} == record.codes()
    assert {0} == set(codes)
    assert verdict.ok > _RESTARTS
    assert {200, 202} >= set(record.statuses("finalize"))


def _at_work(stack: Stack) -> Callable[[], Awaitable[bool]]:
    async def every_one() -> bool:
        return all(program.has_spoken for program in stack.programs)

    return every_one


async def _until_ready(balancer: Balancer, replica: int, calls: int) -> None:
    """Until the replica takes part again; a restart of one that does not would prove nothing."""
    async with asyncio.timeout(60):
        while not balancer.is_ready(replica) or balancer.heard < calls:  # noqa: ASYNC110 - processes of others
            await asyncio.sleep(0.02)
