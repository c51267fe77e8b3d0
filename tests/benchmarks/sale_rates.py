"""Whole sales each second, by turns with pgbench doing one sale's statements on the same processors."""

import statistics
from collections.abc import Iterator
from typing import Final

import msgspec

from loyalty_adapters.embedded.binaries import find_binaries
from tests.benchmarks import terminals
from tests.benchmarks.captured import Captured
from tests.benchmarks.pgbench import Script, sales_per_second
from tests.benchmarks.programs import cpu_seconds
from tests.benchmarks.sales import CALLS, observations, whole_sales
from tests.benchmarks.stack import HOST, POSTGRES, Stack
from tests.benchmarks.table import Row, against, alone
from tests.benchmarks.terminals import Job, Report
from tests.faults.ledger_check import Observation

TERMINALS: Final = 32
_SHARE: Final = 0.25
_MOST: Final = 2000
"""Sales a second that no machine of this size will make."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    rows: list[Row]
    heard: list[Observation]
    peak: float
    """Sales a second."""


async def sale_rates(stack: Stack, captured: Captured, prefix: str, *, rounds: int, seconds: float) -> Rates:
    """Sell as fast as it goes for `seconds`, then let pgbench, and so on."""
    script = Script(captured)
    pgbench = find_binaries(POSTGRES, None).postgres("pgbench")
    ours: list[float] = []
    floors: list[float] = []
    spent: dict[str, list[float]] = {}
    heard: list[Observation] = []
    for number in range(rounds):
        made = f"{prefix}{number}"
        before = _processor_time(stack)
        report = await terminals.run(
            Job(
                host=HOST,
                port=stack.subject.port,
                key=stack.subject.key,
                sales=whole_sales(made, int(_MOST * seconds)),
                terminals=TERMINALS,
                seconds=seconds,
            )
        )
        sold = _sold(terminals.held(report, "sales"))
        for role, after in _processor_time(stack).items():
            spent.setdefault(role, []).append((after - before[role]) / sold * 1e6)
        ours.append(sold / report.seconds)
        heard += observations(made, CALLS[:3], [report])
        floors.append(
            await sales_per_second(
                pgbench, stack.floor_database_url, script, stack.home, seconds=seconds, base=number + 1
            )
        )
    peak, floor = statistics.median(ours), statistics.median(floors)
    rows = [
        msgspec.structs.replace(
            against("sales/s, 2 web workers, of pgbench's", peak, floor, "/s", _SHARE), at_least=True
        ),
        *_breakdown({role: statistics.median(costs) for role, costs in spent.items()}),
    ]
    return Rates(rows=rows, heard=heard, peak=peak)


def _breakdown(spent: dict[str, float]) -> Iterator[Row]:
    for role, cost in spent.items():
        yield alone(f"one sale's processor time: {role}", cost, "us")


def _processor_time(stack: Stack) -> dict[str, float]:
    return {
        "web": stack.programs["web"].cpu_seconds(),
        **{role: cpu_seconds(pids) for role, pids in stack.others().items()},
    }


def _sold(report: Report) -> int:
    """Sales whose three calls were answered."""
    return sum(1 for heard in report.heard if heard.call == len(CALLS) - 2 and heard.status)
