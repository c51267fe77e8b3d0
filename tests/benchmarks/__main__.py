"""``python -m tests.benchmarks``: every figure the service should reach, beside floors taken in the same run.

It ends with 0 whether or not the figures are reached, and with 1 where the run itself is broken: a program did not
start, calls failed, or the ledger check found a sale that was lost, doubled, or otherwise than answered.
"""

import argparse
import asyncio
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Final

import click

from tests.benchmarks import beside, long_runs
from tests.benchmarks.call_costs import call_costs
from tests.benchmarks.latencies import added_latency, latency_without_pdi
from tests.benchmarks.sale_rates import sale_rates
from tests.benchmarks.sales import capture
from tests.benchmarks.stack import Stack
from tests.benchmarks.table import Row, as_json, heading, line
from tests.faults.ledger_check import Observation

_CHECKOUT: Final = Path(__file__).parents[2]
_PREFIX: Final = "BENCH"
_LIMIT: Final = 290.0
_LONG_LIMIT: Final = 4 * 3600.0


class Run:
    """One run: what is measured, told as it is found."""

    def __init__(self, home: Path, asked: argparse.Namespace) -> None:
        self.rows: list[Row] = []
        self._home = home
        self._asked = asked
        self._heard: list[Observation] = []

    async def everything(self) -> None:
        """Measure it all."""
        asked = self._asked
        click.echo(heading(), err=asked.json)
        async with Stack(self._home / "stack") as stack:
            await self._the_service(stack)
            if asked.long:
                ten = await long_runs.ten_minutes(stack, f"{_PREFIX}TEN", rate=self._peak / 2)
                self._tell(ten.rows, ten.heard)
            await stack.settled()
            verdict = await stack.verdict(self._heard, _PREFIX)
            if asked.long:
                self._tell(await long_runs.memory(stack, f"{_PREFIX}MANY"))
        click.echo(f"ledger check clean: {verdict}", err=asked.json)
        self._tell(beside.quotes())
        self._tell(await beside.deliveries(self._home / "delivery", sessions=asked.backlog))
        self._tell(await beside.warm_start(self._folder("run")))
        if asked.long:
            self._tell(await long_runs.growth(self._folder("growth")))
            self._tell(await beside.cold_start(self._folder("cold"), _CHECKOUT))

    async def _the_service(self, stack: Stack) -> None:
        asked = self._asked
        captured = await capture(stack, f"{_PREFIX}SEEN")
        await stack.start_floors(captured)
        costs = await call_costs(stack, captured, f"{_PREFIX}COST", rounds=asked.rounds, sales=asked.sales)
        self._tell(costs.rows, costs.heard)
        rates = await sale_rates(stack, captured, f"{_PREFIX}RATE", rounds=asked.rounds, seconds=asked.seconds)
        self._tell(rates.rows, rates.heard)
        self._peak = rates.peak
        half = rates.peak / 2
        added = await added_latency(stack, f"{_PREFIX}HALF", rate=half, seconds=2 * asked.seconds)
        self._tell(added.rows, added.heard)
        away = await latency_without_pdi(stack, f"{_PREFIX}AWAY", rate=half, count=int(half * asked.seconds))
        self._tell(away.rows, away.heard)

    def _folder(self, name: str) -> Path:
        folder = self._home / name
        folder.mkdir()
        return folder

    def _tell(self, rows: list[Row], heard: list[Observation] | None = None) -> None:
        for row in rows:
            click.echo(line(row), err=self._asked.json)
        self.rows += rows
        self._heard += heard or []


async def main(asked: argparse.Namespace) -> None:
    """Measure, bounded in time, and leave nothing behind."""
    home = Path(tempfile.mkdtemp(prefix="loyalty-bench-"))
    run = Run(home, asked)
    limit = _LONG_LIMIT if asked.long else asked.limit
    try:
        async with asyncio.timeout(limit):
            await run.everything()
    except TimeoutError:
        raise SystemExit(f"not done after {limit:.0f} s, and ended: this machine is too busy to be measured") from None
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if asked.json:
        click.echo(as_json(run.rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="also what only time and a large database show (hours)")
    parser.add_argument(
        "--json", action="store_true", help="the figures as JSON on standard output, the table on error"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of subject and floor, of which medians are taken")
    parser.add_argument("--sales", type=int, default=600, help="sales of each round, call by call")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each round of whole sales")
    parser.add_argument("--backlog", type=int, default=6000, help="sessions that are queued and delivered")
    parser.add_argument("--limit", type=float, default=_LIMIT, help="seconds after which a short run is broken")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C's: everything is stopped first
    asyncio.run(main(_arguments()))
