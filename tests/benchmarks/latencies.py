"""What a call takes beyond what PDI takes of it, at half of the rate that can be had; and without PDI.

The service logs how long each call waited for PDI, under the trace whose id the answer carries; what is left of the
time that the POS waited is ours, the network's and the wait for a processor.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.benchmarks import terminals
from tests.benchmarks.sales import CALLS, observations, request, whole_sales
from tests.benchmarks.stack import HOST, Stack
from tests.benchmarks.table import Row, alone
from tests.benchmarks.terminals import Heard, Job, Request
from tests.faults.ledger_check import Observation

TERMINALS: Final = 64
_ADDED_P50: Final = 5.0
_ADDED_P99: Final = 20.0
_OPEN_P99: Final = 10.0
_UNTIL_OPEN: Final = 40
_AT_PDI: Final = b'"pdiDuration":'


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    rows: list[Row]
    heard: list[Observation]


async def added_latency(stack: Stack, prefix: str, *, rate: float, seconds: float) -> Added:
    """Make `rate` sales a second for `seconds`, whether or not those before are answered."""
    log = _size(stack.web_log)
    report = await terminals.run(
        Job(
            host=HOST,
            port=stack.subject.port,
            key=stack.subject.key,
            sales=whole_sales(prefix, int(rate * seconds)),
            terminals=TERMINALS,
            rate=rate,
        )
    )
    terminals.held(report, "sales at half of the peak")
    added = added_milliseconds(report.heard, at_pdi(stack.web_log, log))
    rows = [
        alone("latency added to PDI's, half of peak: p50", percentile(added, 50), "ms", _ADDED_P50),
        alone("latency added to PDI's, half of peak: p99", percentile(added, 99), "ms", _ADDED_P99),
    ]
    return Added(rows=rows, heard=observations(prefix, CALLS[:3], [report]))


async def latency_without_pdi(stack: Stack, prefix: str, *, rate: float, count: int) -> Added:
    """Finalize `count` quoted sales, `rate` a second, while the circuits are open.

    The last look at PDI of each circuit is a call that probes it; those are few, and in the figure.
    """
    opening = await _sold(stack, CALLS[:2], [[request(c, prefix, n) for c in CALLS[:2]] for n in range(count)])
    sessions = {
        heard.sale: json.loads(heard.body)["sessionId"] for heard in opening.heard if heard.call == 0 and heard.body
    }
    await stack.pdi.faults("http_503")
    await _sold(stack, CALLS[:1], [[request("identify", f"{prefix}CUT", n)] for n in range(_UNTIL_OPEN)])
    finalizes = [[request("finalize", prefix, number, sessions[number])] for number in range(count)]
    report = await _sold(stack, CALLS[2:3], finalizes, rate)
    await stack.pdi.put_faults([])
    taken = [heard.seconds * 1000 for heard in report.heard if heard.status == 202]
    if len(taken) < count * 0.9:
        raise RuntimeError(f"only {len(taken)} of {count} finalizes were answered 202 while PDI was away")
    return Added(
        rows=[
            alone("breaker open, finalize 202, half of peak: p50", percentile(taken, 50), "ms"),
            alone("breaker open, finalize 202, half of peak: p99", percentile(taken, 99), "ms", _OPEN_P99),
        ],
        heard=[
            *observations(prefix, CALLS[:2], [opening]),
            *observations(prefix, CALLS[2:3], [report]),
        ],
    )


async def _sold(stack: Stack, what: Sequence[str], sales: list[list[Request]], rate: float = 0.0) -> terminals.Report:
    report = await terminals.run(
        Job(
            host=HOST, port=stack.subject.port, key=stack.subject.key, sales=sales, terminals=TERMINALS, rate=rate
        )
    )  # fmt: skip
    return terminals.held(report, ", ".join(what))


def at_pdi(log: Path, since: int) -> dict[str, float]:
    """Milliseconds that each trace spent at PDI, from what the web processes have logged `since` a place."""
    spent: defaultdict[str, float] = defaultdict(float)
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            if _AT_PDI in line:
                fields: dict[str, Any] = json.loads(line)
                spent[fields["traceId"]] += fields["pdiDuration"]
    return spent


def added_milliseconds(heard: Iterable[Heard], pdi: dict[str, float]) -> list[float]:
    """What each answered call took beyond its time at PDI."""
    return [each.seconds * 1000 - pdi.get(each.request_id, 0.0) for each in heard if each.status]


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that is not below `percent` of all."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _size(path: Path) -> int:
    return path.stat().st_size
