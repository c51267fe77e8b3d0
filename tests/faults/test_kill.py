"""Processes and servers killed, cut and stopped under load; afterwards every sale is accounted for."""

import asyncio
import os
import random
from pathlib import Path
from typing import Final

import pytest

from tests.faults.chaos import Chaos
from tests.faults.load import Load
from tests.faults.stack import Stack
from tests.faults.times import LONG, TIMES

_KILLS: Final = int(os.environ.get("LOYALTY_FAULTS_KILLS", "200" if LONG else "20"))
_ROUNDS: Final = 10 if LONG else 2
_CACHE_AWAY: Final = 30.0 if LONG else 1.5
_TERMINALS: Final = 8
_CUSTOMERS: Final = 60
"""Few, so that sales of one customer wait for one another."""


@pytest.mark.timeout(60 + 5 * _KILLS)
async def test_nothing_is_lost_or_doubled_whatever_dies(tmp_path: Path) -> None:
    """No sale is lost, doubled or answered otherwise than it ends, whoever dies, and whenever."""
    seed = random.randrange(1 << 30)
    async with Stack(tmp_path, replicas=2, workers=2) as stack:
        chaos = Chaos(stack, seed=seed)
        await chaos.make_pdi_unreliable()
        # A POS hangs up not long after its answer was due; that must not matter either.
        async with stack.till(patience=TIMES.finalize + TIMES.slack + 0.2) as till:
            load = Load(till, customers=_CUSTOMERS, seed=seed)
            selling = asyncio.create_task(load.run(terminals=_TERMINALS))
            async with asyncio.TaskGroup() as blows:
                _ = blows.create_task(chaos.kill_processes(_KILLS))
                _ = blows.create_task(chaos.strike(chaos.cut_connections, 2 * _ROUNDS, every=1.5))
                _ = blows.create_task(chaos.strike(chaos.restart_database, _ROUNDS, every=3.0))
                _ = blows.create_task(chaos.strike(chaos.restart_pdi, _ROUNDS, every=3.0))
                _ = blows.create_task(chaos.pause_cache(_CACHE_AWAY))
            await stack.pdi.put_faults([])
            load.stop()
            record = await selling
        await stack.all_answer()
        drained = await stack.drained(120)
        verdict = await stack.check(record.observations())
    print(f"seed {seed}: {dict(chaos.done)}; {verdict}; drained in {drained:.1f} s; {record.codes()}")  # noqa: T201 - the figures of the run
    assert _KILLS == chaos.done["kill web"] + chaos.done["kill worker"]
    assert min(chaos.done["kill web"], chaos.done["kill worker"]) >= _KILLS // 5
    assert (_ROUNDS, _ROUNDS, 1) == (
        chaos.done["restart database"],
        chaos.done["restart pdi"],
        chaos.done["pause cache"],
    )
    assert chaos.done["cut connections"] > 0
    # The load was there when it happened: calls broke off, PDI's word was missing, and most was sold all the same.
    assert record.statuses("finalize")[None] + record.statuses("identify")[None] > 0
    assert record.statuses("finalize")[202] > 0
    assert verdict.booked > _KILLS
    assert verdict.ok > 0
