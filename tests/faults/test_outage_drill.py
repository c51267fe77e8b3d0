from typing import Final

from tests.faults.books import read_sessions
from tests.faults.matrix import BUDGET, Call
from tests.faults.outage_drill import balances_differ, drill
from tests.faults.stack import Stack
from tests.faults.subject import every_replica_in_touch
from tests.faults.times import LONG, TIMES

_SALES: Final = 500
_P99: Final = 0.2
"""Seconds: a machine that does much else at the same time; what it takes alone is printed."""


async def test_an_outage_delays_points_and_nothing_else(stack: Stack) -> None:
    """500 sales while PDI is silent: all answered in time, all booked in order within a minute of its return."""
    async with stack.till() as till:
        await every_replica_in_touch(stack, till)
    made = await drill(stack, _SALES, print)
    assert _SALES == made.record.sales
    assert {202: _SALES} == made.record.statuses("finalize")
    assert {201: _SALES} == made.record.statuses("identify")
    for _, heard in made.record.calls:
        assert heard.took < BUDGET[Call(heard.call)] + TIMES.slack, heard
    # The fault was met, by few: each process asks until its circuit opens, then one probe at a time.
    assert await stack.pdi.fired("timeout") > 0
    assert made.seen_by_pdi < _SALES / 2
    assert made.waited < _SALES / 10
    assert made.p99 < _P99
    assert made.queued == _SALES
    assert made.drained_in < 60
    assert made.verdict is not None
    assert _SALES == made.verdict.accepted == made.verdict.booked
    # In long back-off, which full times have, a sale may be overtaken; at a tenth of them none is that long.
    assert LONG or made.out_of_order == 0
    rows = [row for row in await read_sessions(stack.database_url) if row.transaction.startswith("DRILL-")]
    assert {} == await balances_differ(stack, rows)
