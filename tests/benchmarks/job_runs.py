"""One job, as a worker wires it, in a process of its own: ``python -m tests.benchmarks.job_runs NAME BATCH MOST``.

It reads its settings from the environment, says `ready` once it works, and at its end what it did, as JSON.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvloop

from loyalty_core.use_cases.jobs import JobName
from loyalty_web.container import Container, running
from loyalty_web.settings import read_settings

READY: Final = "ready\n"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_WARM: Final = 3
"""Batches after which everything that is made once has been made."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What a job did. Memory is resident, in bytes; times are seconds."""

    due: int
    counting: float
    """How long it took to count what was due."""
    taken: int
    counts: dict[str, int]
    seconds: float
    batches: list[float]
    memory_before: int
    """After a few batches."""
    memory_after: int


async def run(name: JobName, batch: int, most: int) -> Ran:
    """Run the job until nothing is left of it, or until it has taken up `most`."""
    container = Container(settings=read_settings())
    async with running(container):
        job, now = container.jobs()[name], datetime.now(UTC)
        began = time.perf_counter()
        due = await job.due(now)
        counting = time.perf_counter() - began
        sys.stdout.write(READY)
        sys.stdout.flush()
        counts: Counter[str] = Counter()
        batches: list[float] = []
        taken, before, done = 0, _memory(), False
        began = time.perf_counter()
        while not done and taken < most:
            step = time.perf_counter()
            did = await job(now, batch)
            batches.append(time.perf_counter() - step)
            counts.update(did.counts)
            taken, done = taken + did.taken, did.done
            if len(batches) == _WARM:
                before = _memory()
        return Ran(
            due=due,
            counting=counting,
            taken=taken,
            counts=dict(counts),
            seconds=time.perf_counter() - began,
            batches=batches,
            memory_before=before,
            memory_after=_memory(),
        )


async def ran(environment: dict[str, str], name: JobName, batch: int, most: int) -> Ran:
    """What a process of its own made of the job.

    Raises:
        RuntimeError: it failed; its last words are in the message.
    """
    process = await started(environment, name, batch, most)
    told, said = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{name} failed: {said.decode()[-2000:]}")
    return msgspec.json.decode(told.decode().removeprefix(READY), type=Ran)


async def started(environment: dict[str, str], name: JobName, batch: int, most: int) -> asyncio.subprocess.Process:
    """The process, on its way."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", __name__, name.value, str(batch), str(most)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asked, size, enough = sys.argv[1:]
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(JobName(asked), int(size), int(enough)))))
