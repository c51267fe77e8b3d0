"""Sessions reconciled per second, and what they cost: ``python -m tests.benchmarks.reconciliation``.

Real PostgreSQL with fsync on, a real PDI simulator that answers at once, no sales beside it. The same sales are
compared round after round, as often as the memory needs to show whether it stands still.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Final

import click
import psycopg

from loyalty_adapters.embedded import EmbeddedServers
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.migrations import migrate
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.use_cases.enquiries import EnquiryPolicy
from tests.integration.reconciliation.desk import Desk, open_desk
from tests.pdi import Pdi

_TILLS: Final = 16
_BATCH: Final = 100
_AGAIN: Final = "UPDATE reconciliation_standing SET compared_at = NULL, compared_id = NULL"
_MIB: Final = 1024 * 1024


async def _sell(desk: Desk, sales: int) -> None:
    numbers = iter(range(sales))

    async def till() -> None:
        for number in numbers:
            await desk.sold(f"T-{number}")

    await asyncio.gather(*(till() for _ in range(_TILLS)))


def _resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


async def _measure(home: Path, sales: int, rounds: int, in_flight: int) -> None:
    servers = EmbeddedServers(home / "servers")
    servers.start()
    try:
        url = servers.addresses.database_url
        await migrate(url)
        policy = EnquiryPolicy(in_flight=in_flight)
        async with (
            Pdi(home / "pdi") as pdi,
            Connections(PostgresSettings(url=url)) as connections,
            open_desk(connections, pdi, enquiries=policy) as desk,
            await psycopg.AsyncConnection.connect(url, autocommit=True) as operator,
        ):
            await _sell(desk, sales)
            now = await desk.tomorrow()
            click.echo(f"{sales} sales, {in_flight} questions at once, {os.getloadavg()[0]:.1f} load before")
            for number in range(1, rounds + 1):
                await operator.execute(_AGAIN)
                began, cpu = time.perf_counter(), time.process_time()
                counts = await desk.run(now, limit=_BATCH)
                took, cpu = time.perf_counter() - began, time.process_time() - cpu
                assert sales == counts["compared"], counts
                click.echo(
                    f"round {number}: {sales / took:7.0f} sessions/s, {cpu / sales * 1e6:5.0f} µs of CPU each, "
                    f"{_resident():6.1f} MiB"
                )
    finally:
        servers.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--in-flight", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loyalty-reconcile-") as home:
        asyncio.run(_measure(Path(home), asked.sessions, asked.rounds, asked.in_flight))


if __name__ == "__main__":
    main()
