"""A run that is killed again and again finds in the end what one run would have found."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.ports.reconciliation import FindingQuery
from tests.integration.reconciliation.desk import Desk
from tests.pdi import Pdi

SALES = 60
BATCH = 6


@asynccontextmanager
async def a_run(database_url: str, pdi: Pdi, now: datetime) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own, killed at the end of the block unless it has ended."""
    arguments = (database_url, pdi.url, pdi.client_id, pdi.client_secret, now.isoformat(), str(BATCH))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.reconciliation.one_run", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def asked(process: asyncio.subprocess.Process, at_most: int) -> list[str]:
    """The next sessions that the process asks about; fewer where it ends."""
    assert process.stdout is not None
    lines: list[str] = []
    while len(lines) < at_most and (line := await process.stdout.readline()):
        lines.append(line.decode().strip())
    return lines


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
async def test_nothing_is_lost_or_told_twice(desk: Desk, pdi: Pdi, database_url: str, kills: int) -> None:
    """Each session is asked about at least once, each finding is there once, and what was promised is settled once."""
    chance = random.Random(kills)
    sales = [await desk.sold(f"T-{number:02}") for number in range(SALES)]
    doubled = chance.sample(sales, 15)
    for sale in doubled:
        await pdi.tamper("double", transactionId=sale.transaction)
    await pdi.faults("drop_after_commit", endpoints=["finalize"])
    sales += [await desk.sold(f"T-late-{number}") for number in range(5)]
    await pdi.faults("latency", latencyMs=20, endpoints=["getSessionStatus"])
    now = await desk.tomorrow()

    heard: list[str] = []
    for _ in range(kills):
        async with a_run(database_url, pdi, now) as process:
            before = len(heard)
            heard += await asked(process, chance.randint(1, 2 * BATCH))
            assert len(heard) > before, "it was to be killed in the middle of its work"
            process.kill()
            heard += await asked(process, SALES)
    async with a_run(database_url, pdi, now) as process:
        heard += await asked(process, 10 * SALES)
        assert 0 == await process.wait()

    assert {sale.host_session for sale in sales} <= set(heard)
    assert len(heard) > len(sales), "some were asked about again"
    assert sorted((sale.id, Kind.DOUBLED, "sale") for sale in doubled) == await desk.found()
    assert 15 == len(await desk.findings.find(FindingQuery()))
    settled = [entry for entry in await pdi.ledger() if entry["transactionId"].startswith("T-late")]
    assert 5 == len(settled)
    assert {"finalized"} == {(await desk.session(sale.id)).status.value for sale in sales}
    assert 0 == (await desk.run(now))["found"]
