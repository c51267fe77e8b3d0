"""Figures that are measured by programs of their own: quotes, deliveries, and how long `make run` takes to be ready."""

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.benchmarks.programs import Program
from tests.benchmarks.rewards import LINES, PEER, SUBJECT, medians
from tests.benchmarks.stack import free_ports
from tests.benchmarks.table import Row, alone
from tests.faults.drain import drain
from tests.faults.stack import Stack as FaultStack

_QUOTES: Final = 20_000.0
_TIMES_PEER: Final = 3.0
_DELIVERIES: Final = 500.0
_WARM: Final = 3.0
_COLD: Final = 30.0
_READY: Final = re.compile(r"^Ready\b|Ready: ", re.MULTILINE)
_PATIENCE: Final = 120.0
_MIB: Final = 1 << 20


def quotes() -> list[Row]:
    """Quotes a second of one core, and beside another rule engine."""
    found = medians()
    ours, peer = found[SUBJECT], found[PEER]
    return [
        alone(f"quotes/s of a core, {LINES} lines, 20 promotions", 1e6 / ours, "/s", _QUOTES, at_least=True),
        alone("quotes: times zen-engine's", peer / ours, "x", _TIMES_PEER, at_least=True),
    ]


async def deliveries(home: Path, *, sessions: int) -> list[Row]:
    """A backlog as an outage leaves it, delivered by one worker."""
    async with FaultStack(home, workers=1, durable=True) as stack:
        drained = await drain(stack, sessions, customers=sessions)
        await stack.check([])
    return [
        alone("delivery after an outage, per worker", drained.rate, "/s", _DELIVERIES, at_least=True),
        alone("delivery: worker's processor time per session", drained.worker_cpu * 1000, "us"),
        alone("delivery: growth of the worker's memory", drained.growth / _MIB, "MiB"),
    ]


async def warm_start(home: Path) -> list[Row]:
    """`make run` where everything is installed and has run before. `home` is an empty folder."""
    await _ready(home, _development())
    taken = await _ready(home, _development())
    return [alone("make run to ready, warm", taken, "s", _WARM)]


async def cold_start(home: Path, checkout: Path) -> list[Row]:
    """`make run` from an empty virtual environment, with whatever the package cache holds."""
    make = shutil.which("make")
    if make is None:
        raise RuntimeError("make is needed and was not found")
    command = (make, "-C", str(checkout), f"VENV={home / 'venv'}", "run")
    return [alone("make run to ready, cold", await _ready(home, command), "s", _COLD)]


def _development() -> tuple[str, ...]:
    return (sys.executable, "-m", "loyalty_web.cli", "dev", "--with-parent")


async def _ready(home: Path, command: tuple[str, ...]) -> float:
    """Seconds until the command says that the service is ready; it is ended then.

    Raises:
        RuntimeError: it ended first, or is not ready within two minutes.
    """
    port, pdi_port = free_ports(2)
    environment: Mapping[str, str] = {
        **os.environ,
        "PORT": str(port),
        "PDI_PORT": str(pdi_port),
        "LOYALTY_HOME": str(home / "loyalty"),
        "PYTHONUNBUFFERED": "1",
    }
    program = Program("run", command, environment, home)
    program.log.write_bytes(b"")
    began = time.monotonic()
    program.start()
    try:
        while not _READY.search(program.log.read_text()):
            if not program.running or time.monotonic() - began > _PATIENCE:
                raise RuntimeError(f"it is not ready: {program.last_words()}")
            await asyncio.sleep(0.01)
        return time.monotonic() - began
    finally:
        await program.stop(signal.SIGINT, as_terminal=True)
