"""A worker that keeps one job's schedule, where the ticks of the schedule are the lines it is told on standard input.

What it does with a tick is what every worker does; only when one comes due is up to the test. Each batch is noted in
the table `batches`, so that the test can see whether two were ever at work together.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from typing import Final

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.session_sweep import PostgresSessionSweep
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.observer import NullObserver
from loyalty_core.use_cases.expire_sessions import ExpireSessions
from loyalty_core.use_cases.jobs import Batch
from loyalty_core.use_cases.keep_schedule import KeepSchedule
from loyalty_core.use_cases.run_job import Portion, RunJob, RunPolicy

LEASE: Final = timedelta(seconds=1)
_PACE: Final = 0.05
"""Seconds by which a batch is held up, so that a run lasts long enough to be killed in the middle of it."""
_NOTE: Final = "INSERT INTO batches VALUES (%(runner)s::text, %(tick)s::timestamptz, %(began)s::timestamptz)"
_NOW: Final = "SELECT clock_timestamp()"


class Told:
    """The `Schedule` whose latest tick is the latest that was told."""

    def __init__(self) -> None:
        self.tick: datetime | None = None

    def last(self, now: datetime) -> datetime | None:  # noqa: ARG002 - whoever tells the ticks knows the time
        return self.tick

    def next(self, now: datetime) -> datetime | None:  # noqa: ARG002 - as above
        return None

    def count(self, after: datetime, until: datetime) -> int:  # noqa: ARG002 - as above
        return 1


class PacedExpiry(ExpireSessions):
    """`expire-sessions`, slowly, with a note of each batch."""

    def __init__(self, connections: Connections, runner: str) -> None:
        super().__init__(PostgresSessionSweep(connections), NullObserver())
        self._lane = connections.intake
        self._runner = runner

    async def __call__(self, now: datetime, limit: int) -> Batch:
        ((began,),) = await read(self._lane, _NOW, {})
        await asyncio.sleep(_PACE)
        batch = await super().__call__(now, limit)
        await read(self._lane, _NOTE, {"runner": self._runner, "tick": now, "began": began})
        return batch


async def main(database_url: str, runner: str) -> None:
    """Keep the schedule until there is no one to tell a tick."""
    told, end = Told(), asyncio.Event()

    async def listen() -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            told.tick = datetime.fromisoformat(line.decode().strip())
        end.set()

    listening = asyncio.create_task(listen())
    policy = RunPolicy(lease=LEASE)
    async with Connections(PostgresSettings(url=database_url, acquire_timeout=10.0)) as connections:
        ledger = PostgresJobLedger(connections)
        keep = KeepSchedule(ledger, RunJob(ledger, SystemClock(), NullObserver(), policy), runner, policy)
        while not end.is_set():
            await keep(PacedExpiry(connections, runner), told, Portion(batch=5), should_stop=end.is_set)
            await asyncio.sleep(_PACE)
    await listening


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
