"""What only time and size show: cost in a large database, memory after a million calls, latency over ten minutes."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks import terminals
from tests.benchmarks.latencies import added_latency
from tests.benchmarks.programs import cpu_seconds, resident_bytes
from tests.benchmarks.sales import CALLS, observations, whole_sales
from tests.benchmarks.seed import seed
from tests.benchmarks.stack import HOST, Stack
from tests.benchmarks.table import Row, against, alone
from tests.benchmarks.terminals import Job, Report
from tests.faults.ledger_check import Observation

SIZES: Final = (10_000, 1_000_000, 5_000_000)
_BOTH: Final = "web and postgres"
_GROWTH: Final = 1.15
_CALLS: Final = 1_000_000
_BATCH: Final = 5_000
_MEMORY: Final = 150.0
_MIB: Final = 1 << 20
_TERMINALS: Final = 32
_ROUNDS: Final = 3
_SALES: Final = 1000
_NOT_GROWING: Final = 1.5
"""How much the last minutes' p99 may exceed the first's: as much as two minutes of one run differ by."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what was heard while it was."""

    rows: list[Row]
    heard: list[Observation]


async def growth(home: Path, sizes: Sequence[int] = SIZES) -> list[Row]:
    """The processor time of a sale, the web's and the database's, at each size of the database.

    Each size is a database of its own, filled with sales as a chain of shops makes them.
    """
    rows: list[Row] = []
    first: dict[str, float] = {}
    for size in sizes:
        medians = await _costs_at(home / str(size), size)
        first = first or medians
        for role, cost in medians.items():
            target = _GROWTH if role == _BOTH and size == sizes[-1] else None
            rows.append(against(f"a sale at {size:,} sessions: {role}", cost, first[role], "us", target))
    return rows


async def _costs_at(home: Path, size: int) -> dict[str, float]:
    costs: dict[str, list[float]] = {"web": [], "postgres": []}
    async with Stack(home) as stack:
        await seed(stack.database_url, size, tell=lambda _: None)
        for number in range(_ROUNDS + 1):
            made = f"SIZE{number}N"
            before = _spent(stack)
            report = await _sell(stack, made, _SALES)
            for role, after in _spent(stack).items():
                costs[role].append((after - before[role]) / _SALES * 1e6)
            await stack.verdict(observations(made, CALLS[:3], [report]), made)
    medians = {role: statistics.median(each[1:]) for role, each in costs.items()}
    return {**medians, _BOTH: sum(medians.values())}


async def memory(stack: Stack, prefix: str) -> list[Row]:
    """Memory of the web workers while a million calls are made. PDI's books are emptied on the way."""
    seen: list[float] = []
    calls = 0
    while calls < _CALLS:
        made = f"{prefix}{len(seen)}N"
        report = await _sell(stack, made, _BATCH)
        calls += len(report.heard)
        # Checked as they come: the books of a million sales would be read again and again.
        await stack.settled()
        await stack.verdict(observations(made, CALLS[:3], [report]), made)
        await stack.pdi.reset()
        seen.append(max(map(resident_bytes, stack.programs["web"].processes())) / _MIB)
    early = seen[len(seen) // 5]
    return [
        alone("memory of a web worker after 1,000,000 calls", seen[-1], "MiB", _MEMORY),
        alone("memory of a web worker: growth over the last 4/5", seen[-1] - early, "MiB"),
    ]


async def ten_minutes(stack: Stack, prefix: str, *, rate: float) -> Found:
    """Latency added to PDI's, minute by minute."""
    rows: list[Row] = []
    heard: list[Observation] = []
    p99: list[float] = []
    for minute in range(10):
        found = await added_latency(stack, f"{prefix}{minute}", rate=rate, seconds=60)
        p99.append(found.rows[1].measured)
        rows = rows or found.rows
        heard += found.heard
    early, late = statistics.median(p99[:3]), statistics.median(p99[-3:])
    return Found(
        rows=[against("latency added, p99: last three minutes of ten", late, early, "ms", _NOT_GROWING)], heard=heard
    )


async def _sell(stack: Stack, prefix: str, count: int) -> Report:
    report = await terminals.run(
        Job(
            host=HOST,
            port=stack.subject.port,
            key=stack.subject.key,
            sales=whole_sales(prefix, count),
            terminals=_TERMINALS,
        )
    )
    return terminals.held(report, "sales")


def _spent(stack: Stack) -> dict[str, float]:
    return {"web": stack.programs["web"].cpu_seconds(), "postgres": cpu_seconds(stack.others()["postgres"])}
