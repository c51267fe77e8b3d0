"""How fast, and in how much memory, the workers deliver a backlog; `python -m tests.faults.drain --sessions 100000`."""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from tests.faults.backlog import queue_sessions
from tests.faults.books import owed
from tests.faults.order import out_of_order
from tests.faults.plans import CLAIM, CLAIM_PARAMETERS, DEPTH, plan_of
from tests.faults.stack import Stack

_LOOK: Final = 0.1
_MIB: Final = 1 << 20


class Sample(NamedTuple):
    """One look at a worker and the queue."""

    at: float
    owed: int
    resident: int
    """Bytes."""


class Drain(NamedTuple):
    """What delivering a backlog came to."""

    sessions: int
    seconds: float
    rate: float
    """Sessions a second and worker, over the middle of the way: without the ramp and the last few."""
    worker_cpu: float
    """Processor seconds of one worker for a thousand sessions."""
    samples: Sequence[Sample]

    @property
    def growth(self) -> int:
        """Bytes that the worker's memory has grown by between the first quarter of the way and the end."""
        warm = [sample.resident for sample in self.samples if sample.owed < 0.75 * self.sessions]
        return max(warm) - warm[0] if warm else 0

    def __str__(self) -> str:
        last = self.samples[-1].resident / _MIB
        return (
            f"{self.sessions} sessions in {self.seconds:.1f} s: {self.rate:.0f}/s per worker, "
            f"{self.worker_cpu:.2f} s of its processor per thousand; "
            f"memory at the end {last:.0f} MiB, grown by {self.growth / _MIB:.1f} MiB"
        )


async def drain(stack: Stack, sessions: int, *, customers: int, prefix: str = "DRAIN", patience: float = 600) -> Drain:
    """Queue `sessions` sales with the workers paused, let them go, and watch."""
    for worker in stack.workers:
        worker.pause()
    await queue_sessions(stack, sessions, customers=customers, prefix=prefix)
    before = await owed(stack.database_url)
    assert sessions == before, f"{before} sessions are owed, not {sessions}"
    cpu = stack.workers[0].cpu_seconds()
    for worker in stack.workers:
        worker.resume()
    samples = await _watch(stack, patience)
    middle = [sample for sample in samples if 0.1 * sessions < sample.owed < 0.9 * sessions]
    rate = 0.0
    if len(middle) > 1:
        rate = (middle[0].owed - middle[-1].owed) / (middle[-1].at - middle[0].at) / len(stack.workers)
    spent = stack.workers[0].cpu_seconds() - cpu
    return Drain(sessions, samples[-1].at, rate, 1000 * spent * len(stack.workers) / sessions, samples)


async def _watch(stack: Stack, patience: float) -> list[Sample]:
    began = time.monotonic()
    samples: list[Sample] = []
    while not samples or samples[-1].owed:
        left = await owed(stack.database_url)
        samples.append(Sample(time.monotonic() - began, left, stack.workers[0].resident_bytes()))
        assert samples[-1].at < patience, f"{left} sessions are still owed after {patience:g} s"
        await asyncio.sleep(_LOOK)
    return samples


async def _tell_plans(stack: Stack, sessions: int, customers: int) -> None:
    """What the statements of the queue look at, with everything owed once more beside all that was settled."""
    for worker in stack.workers:
        worker.pause()
    await queue_sessions(stack, sessions, customers=customers, prefix="PLANS")
    for name, statement, parameters in (("claim of 64", CLAIM, CLAIM_PARAMETERS), ("depth", DEPTH, {})):
        plan = await plan_of(stack.database_url, statement, parameters)
        click.echo(
            f"{name}: {plan.blocks} pages, by {sorted(plan.indexes)}; read from end to end: {plan.scanned or None}"
        )


async def _main(sessions: int, workers: int, customers: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="loyalty-drain-"))
    try:
        async with Stack(home, workers=workers, durable=True) as stack:
            click.echo(f"{workers} workers, PDI at 0 ms, fsync on")
            click.echo(str(await drain(stack, sessions, customers=customers, patience=3600)))
            click.echo(f"ledger check clean: {await stack.check([])}")
            click.echo(f"booked before an older sale of the same customer: {await out_of_order(stack)}")
            await _tell_plans(stack, sessions, customers)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Queue sales as an outage leaves them, and time their delivery.")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--customers", type=int, default=10_000)
    asked = parser.parse_args()
    asyncio.run(_main(asked.sessions, asked.workers, asked.customers))
