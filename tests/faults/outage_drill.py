"""An outage of PDI from its first second to the last queued sale, with the figures of each phase.

`python -m tests.faults.outage_drill [--sales N]` runs it on a stack of its own and prints the timeline.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from tests.faults.books import SessionRow, owed, read_sessions
from tests.faults.ledger_check import Verdict
from tests.faults.load import Load, Record
from tests.faults.order import out_of_order
from tests.faults.stack import Stack, until
from tests.faults.times import TIMES

_TERMINALS: Final = 8
_CUSTOMERS: Final = 50
_LOOK: Final = 0.1
_AT_ONCE: Final = 0.25
"""Seconds under which an answer cannot have waited for PDI, whose least budget is twice as long at any scale."""


@dataclass
class Drill:
    """What an outage came to."""

    record: Record
    took: float = 0.0
    """Seconds in which all sales were made."""
    waited: int = 0
    """Finalizes that PDI was asked about: those before the circuit opened, and its probes."""
    p50: float = 0.0
    p99: float = 0.0
    """Seconds, of the finalizes answered while the circuit was open."""
    seen_by_pdi: int = 0
    """Calls that reached PDI while it was silent, probes of the workers included."""
    queued: int = 0
    recovery: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since PDI came back, and how many sessions were still owed."""
    verdict: Verdict | None = None
    out_of_order: int = 0
    """Sales booked before an older one of the same customer."""

    @property
    def drained_in(self) -> float:
        """Seconds from PDI's return to the empty queue."""
        return self.recovery[-1][0]


async def drill(stack: Stack, sales: int, say: Callable[[str], None], *, prefix: str = "DRILL") -> Drill:
    """PDI falls silent, `sales` sales are made, PDI comes back, the queue drains by itself."""
    began = time.monotonic()

    def tell(event: str) -> None:
        say(f"{time.monotonic() - began:7.2f} s  {event}")

    tell("PDI accepts connections and answers nothing")
    await stack.pdi.faults("timeout")
    async with stack.till() as till:
        load = Load(till, customers=_CUSTOMERS, prefix=prefix, tries=1, seed=1)
        made = Drill(await load.run(terminals=_TERMINALS, sales=sales))
    made.took = time.monotonic() - began
    _measure(made)
    made.seen_by_pdi = sum((await stack.pdi.stats())["calls"].values())
    made.queued = await owed(stack.database_url)
    tell(f"{sales} sales made ({sales / made.took:.0f}/s): finalize answered {dict(made.record.statuses('finalize'))}")
    tell(f"  circuit open: p50 {1000 * made.p50:.1f} ms, p99 {1000 * made.p99:.1f} ms; {made.waited} finalizes waited")
    tell(f"  PDI has seen {made.seen_by_pdi} calls; {made.queued} sessions are owed")
    await stack.pdi.put_faults([])
    tell("PDI answers again")
    await _watch(stack, made, tell)
    made.verdict = await stack.check(made.record.observations())
    made.out_of_order = await out_of_order(stack)
    tell(f"ledger check clean: {made.verdict}; {made.out_of_order} out of order")
    return made


def _measure(made: Drill) -> None:
    times = made.record.times("finalize", 202)
    at_once = [took for took in times if took < _AT_ONCE]
    made.waited = len(times) - len(at_once)
    if len(at_once) > 1:
        cuts = statistics.quantiles(at_once, n=100)
        made.p50, made.p99 = cuts[49], cuts[98]


async def _watch(stack: Stack, made: Drill, tell: Callable[[str], None]) -> None:
    """The queue, until it is empty."""
    back, told = time.monotonic(), made.queued

    async def empty() -> bool:
        nonlocal told
        left = await owed(stack.database_url)
        made.recovery.append((time.monotonic() - back, left))
        if left <= told * 0.75 or left == 0:
            told = left
            tell(f"  {left} owed, {time.monotonic() - back:.2f} s after PDI came back")
        await asyncio.sleep(_LOOK)
        return left == 0

    await until(empty, "the queue has drained", 60)


async def balances_differ(stack: Stack, rows: Sequence[SessionRow]) -> dict[str, tuple[int, int]]:
    """Customers whose balance at PDI is not what our sessions have booked: ours, PDI's."""
    ours: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        ours[row.customer] += (row.booked_points or 0) - row.redeemed_points
    accounts = {
        account["customerId"]: account["points"] for account in await stack.pdi.control("GET", "/_sim/customers")
    }
    return {customer: (points, accounts[customer]) for customer, points in ours.items() if points != accounts[customer]}


async def _main(sales: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="loyalty-drill-"))
    try:
        async with Stack(home, replicas=2, workers=1, durable=True) as stack:
            click.echo(f"times x{TIMES.scale:g}; 2 replicas, 1 worker, fsync on")
            await drill(stack, sales, click.echo)
            differ = await balances_differ(stack, await read_sessions(stack.database_url))
            click.echo(f"balances that differ: {differ}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Drill an outage of PDI. LOYALTY_FAULTS=long: with the full times.")
    parser.add_argument("--sales", type=int, default=500)
    asyncio.run(_main(parser.parse_args().sales))
