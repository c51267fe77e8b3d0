"""The jobs on a million sessions: ``python -m tests.benchmarks.jobs``.

Plans first, then how much slower a finalize is while sessions are archived beside it, turn by turn with the same load
at rest, then each job at full speed until nothing is left. Rows are counted once each, however many tables and indexes
they are written to: a session expired is two (the session, the line in its timeline), a session archived is itself, its
timeline and its returns.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import click
import psycopg

from loyalty_core.use_cases.jobs import JobName
from loyalty_web.job_settings import JobSettings
from tests.benchmarks import terminals
from tests.benchmarks.job_plans import plans
from tests.benchmarks.job_runs import READY, ran, started
from tests.benchmarks.programs import cpu_seconds, tree
from tests.benchmarks.sales import CALLS, whole_sales
from tests.benchmarks.seed import seed
from tests.benchmarks.stack import HOST, Stack
from tests.benchmarks.table import Row, against, alone, heading, line
from tests.benchmarks.terminals import Job

EVERYTHING: Final = 2**40
_FINALIZE: Final = CALLS.index("finalize")
_TERMINALS: Final = 8
_NOBODY: Final = UUID(int=0)
_ROWS: Final = {
    JobName.EXPIRE_SESSIONS: lambda counts: 2 * counts["expired"],
    JobName.ARCHIVE_FINALIZED: lambda counts: counts["archived"] + counts["events"] + counts["returns"],
    JobName.CLEAR_CACHE: lambda counts: counts["cleared"],
}
_TARGETS: Final = {JobName.EXPIRE_SESSIONS: 20_000, JobName.ARCHIVE_FINALIZED: 20_000}


class JobsStack(Stack):
    """The stack, and the environment for one process more."""

    @property
    def environment(self) -> dict[str, str]:
        """What a job's process is told."""
        return self._environment()


async def finalizes(stack: Stack, prefix: str, rate: float, seconds: float) -> list[float]:
    """Seconds that each finalize took, at so many sales begun each second."""
    sales = whole_sales(prefix, int(rate * seconds))
    job = Job(
        host=HOST, port=stack.subject.port, key=stack.subject.key, sales=sales, terminals=_TERMINALS, rate=rate
    )  # fmt: skip
    report = terminals.held(await terminals.run(job), "the light load")
    return [heard.seconds for heard in report.heard if heard.call == _FINALIZE]


async def disturbance(stack: JobsStack, asked: argparse.Namespace, batch: int) -> list[Row]:
    """A finalize beside the archive job, and at rest, turn by turn."""
    rest: list[float] = []
    beside: list[float] = []
    await finalizes(stack, "WARM", asked.rate, 3)
    for turn in range(asked.turns):
        rest += await finalizes(stack, f"REST{turn}", asked.rate, asked.seconds)
        process = await started(stack.environment, JobName.ARCHIVE_FINALIZED, batch, EVERYTHING)
        assert process.stdout is not None
        try:
            await process.stdout.readuntil(READY.encode())
            beside += await finalizes(stack, f"BESIDE{turn}", asked.rate, asked.seconds)
            if process.returncode is not None:
                raise RuntimeError("nothing was left to archive before the load had ended: ask for more sessions")
        finally:
            process.kill()
            await process.wait()
    click.echo(f"{len(rest)} finalizes at rest and {len(beside)} beside the job, {asked.rate:g} sales a second")
    return [
        against(f"finalize beside {name}, p{share}", _ms(beside, share), _ms(rest, share), "ms", target)
        for name in ("archive-finalized",)
        for share, target in ((50, None), (95, None), (99, 2.0))
    ]


def _ms(seconds: Sequence[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1000


def database_seconds(stack: Stack) -> float:
    """Processor time of the database server, its vacuums and the processes that have ended included."""
    postmaster = stack.servers.postgres.process.pid
    fields = Path(f"/proc/{postmaster}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return cpu_seconds(tree(postmaster)) + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


async def full_speed(stack: JobsStack, name: JobName, batch: int) -> list[Row]:
    """What one job does, flat out."""
    spent = -database_seconds(stack)
    found = await ran(stack.environment, name, batch, EVERYTHING)
    spent += database_seconds(stack)
    rows = _ROWS[name](found.counts)
    tenth = max(1, len(found.batches) // 10)
    first, last = (statistics.median(part) for part in (found.batches[:tenth], found.batches[-tenth - 1 : -1]))
    click.echo(
        f"{name}: {found.due} due, counted in {found.counting:.2f} s; {found.taken} in {found.seconds:.1f} s, "
        f"{len(found.batches)} batches of {batch}, {found.counts}"
    )
    return [
        alone(f"{name}, rows", rows / found.seconds, "/s", _TARGETS.get(name), at_least=True),
        alone(f"{name}, rows by the database's processor time", rows / spent, "/s"),
        alone(f"{name}, {'answers' if name is JobName.CLEAR_CACHE else 'sessions'}", found.taken / found.seconds, "/s"),
        alone(f"{name}, longest batch", max(found.batches) * 1000, "ms"),
        against(f"{name}, batch, last tenth / first", last * 1000, first * 1000, "ms", 1.5),
        against(f"{name}, memory", found.memory_after / 2**20, found.memory_before / 2**20, "MiB", 1.2),
    ]


async def tell_plans(url: str) -> None:
    """Each statement's way through tables and indexes, on the database as it is."""
    whole = []
    for name, (steps, read) in (await plans(url)).items():
        click.echo(f"{name}: {', '.join(steps)}")
        whole += [f"{name} reads all of {table}" for table in read]
    click.echo("\n".join(whole) or "no statement reads a table from end to end")


async def compared_until_recently(url: str) -> None:
    """Have reconciliation stand where it does on an ordinary night: a day behind."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE reconciliation_standing SET compared_at = now() - interval '3 days', compared_id = %s", (_NOBODY,)
        )


async def main(asked: argparse.Namespace) -> None:
    batches = JobSettings()
    home = Path(tempfile.mkdtemp(prefix="loyalty-jobs-"))
    try:
        async with JobsStack(home) as stack:
            await seed(stack.database_url, asked.sessions, tell=click.echo)
            await tell_plans(stack.database_url)
            click.echo(heading())
            for row in await disturbance(stack, asked, batches.archive_batch):
                click.echo(line(row))
            for name in (JobName.EXPIRE_SESSIONS, JobName.CLEAR_CACHE, JobName.ARCHIVE_FINALIZED):
                for row in await full_speed(stack, name, batches.batch(name)):
                    click.echo(line(row))
            await tell_plans(stack.database_url)
            await compared_until_recently(stack.database_url)
            batch = batches.batch(JobName.RECONCILE)
            found = await ran(stack.environment, JobName.RECONCILE, batch, asked.reconciled)
            click.echo(line(alone("reconcile, sessions", found.taken / found.seconds, "/s")))
            click.echo(
                line(against("reconcile, memory", found.memory_after / 2**20, found.memory_before / 2**20, "MiB", 1.2))
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the jobs on a large database.")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of load in each turn")
    parser.add_argument("--rate", type=float, default=15, help="sales begun each second")
    parser.add_argument("--reconciled", type=int, default=2000, help="sessions that are reconciled")
    sys.exit(asyncio.run(main(parser.parse_args())))
