"""``python -m tests.benchmarks.fairness``: a client at twenty times its limit beside one that keeps to its own.

The second one's times beside the first are compared with its times alone, taken in turns in the same run. After that
the same without any limit, where all that stands between the two is the order in which calls are let in.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

from tests.benchmarks import terminals
from tests.benchmarks.latencies import percentile
from tests.benchmarks.sales import CALLS, observations, whole_sales
from tests.benchmarks.stack import HOST, Stack
from tests.benchmarks.terminals import Job, Report, Request

LIMIT: Final = 50
"""Calls a second of each client."""
TIMES: Final = 20
SALES: Final = 10.0
"""Sales a second of the one that keeps to its limit: 30 calls."""
TARGET: Final = 1.5
GREEDY: Final = "GREEDY-1"
_WITH: Final = {"RATE_LIMIT_PER_SECOND": str(LIMIT), "RATE_LIMIT_BURST": str(2 * LIMIT)}
_WITHOUT: Final = {"RATE_LIMIT_PER_SECOND": "0"}
_WARM: Final = 3.0
_CLOSED_LOOP: Final = 128
"""Terminals that call again as soon as they are answered, where nothing limits them."""


class Times(msgspec.Struct, frozen=True):
    """Milliseconds of the calls of one that keeps to its limit."""

    p50: float
    p99: float


class Pair:
    """The two of them, at one stack."""

    def __init__(self, stack: Stack, key: str, name: str) -> None:
        self._stack = stack
        self._key = key
        self._name = name
        self._turn = 0
        self.modest: list[tuple[str, Report]] = []
        self.failed: Counter[int] = Counter()
        """Of the modest one's calls; 0: without an answer."""
        self.greedy: Counter[int] = Counter()

    async def modest_one(self, seconds: float) -> Times:
        """Sales at their rate, each call's time from the moment at which it was due."""
        self._turn += 1
        prefix = f"{self._name}-{self._turn}"
        report = await terminals.run(
            Job(
                host=HOST,
                port=self._stack.subject.port,
                key=self._stack.subject.key,
                sales=whole_sales(prefix, int(SALES * seconds)),
                terminals=16,
                rate=SALES,
            )
        )
        self.failed.update(heard.status for heard in terminals.failures(report))
        self.modest.append((prefix, report))
        taken = [heard.seconds * 1000 for heard in report.heard]
        return Times(percentile(taken, 50), percentile(taken, 99))

    async def greedy_one(self, seconds: float, rate: float, count: int) -> None:
        """Identify after identify, at a rate, or as fast as `count` terminals are answered."""
        self._turn += 1
        calls = [[_identify(f"G{self._turn}-{number}")] for number in range(int((rate or 2000) * seconds))]
        report = await terminals.run(
            Job(
                host=HOST,
                port=self._stack.subject.port,
                key=self._key,
                sales=calls,
                terminals=count,
                rate=rate,
                seconds=seconds,
            )
        )
        self.greedy.update(heard.status for heard in report.heard)

    async def beside(self, seconds: float, rate: float, count: int) -> Times:
        """Both: the greedy one begins first, and ends last."""
        flood = asyncio.create_task(self.greedy_one(seconds + 2 * _WARM, rate, count))
        await asyncio.sleep(_WARM)
        times = await self.modest_one(seconds)
        await flood
        return times


def _identify(transaction: str) -> Request:
    body = f'{{"customerId":"LOAD-1","channelId":"{GREEDY}","transactionId":"{transaction}"}}'
    return Request("/identify", body)


async def measured(home: Path, settings: Mapping[str, str], asked: argparse.Namespace, *, rate: float) -> float:
    """The ratio of the 99th percentiles, beside to alone: the median of the rounds."""
    count = 32 if rate else _CLOSED_LOOP
    async with Stack(home, settings={**settings, **dict(part.split("=", 1) for part in asked.set)}) as stack:
        pair = Pair(stack, await stack.make_key("greedy", GREEDY), "FAIR")
        await pair.modest_one(_WARM)
        ratios = []
        for number in range(asked.rounds):
            alone = await pair.modest_one(asked.seconds)
            beside = await pair.beside(asked.seconds, rate, count)
            ratios.append(beside.p99 / alone.p99)
            click.echo(
                f"round {number + 1}: alone p50 {alone.p50:6.1f} p99 {alone.p99:6.1f} ms; "
                f"beside p50 {beside.p50:6.1f} p99 {beside.p99:6.1f} ms; p99 {ratios[-1]:.2f} times as long"
            )
        await stack.settled()
        verdict = await stack.verdict(
            [heard for prefix, report in pair.modest for heard in observations(prefix, CALLS[:3], [report])], "FAIR"
        )
    total = asked.rounds * (asked.seconds + 2 * _WARM)
    if rate and pair.failed:
        raise RuntimeError(f"calls of the client within its limit failed: {dict(pair.failed)}")
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(pair.greedy.items()))
    click.echo(f"the other one in {total:g} s: {answers}")
    click.echo(f"failed of the first one's calls: {dict(pair.failed) or 'none'}; ledger check clean: {verdict}")
    return statistics.median(ratios)


async def main() -> None:
    """Both comparisons."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fairness")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for the service")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loyalty-fairness-") as folder:
        click.echo(f"a client at {TIMES} times its limit of {LIMIT} calls a second, beside one within it:")
        ratio = await measured(Path(folder, "with"), _WITH, asked, rate=float(TIMES * LIMIT))
        click.echo(f"=> p99 beside it, of that alone: {ratio:.2f} (to reach: {TARGET})")
        click.echo(f"the same without limits, {_CLOSED_LOOP} terminals that call as soon as they are answered:")
        ratio = await measured(Path(folder, "without"), _WITHOUT, asked, rate=0.0)
        click.echo(f"=> p99 beside it, of that alone: {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
