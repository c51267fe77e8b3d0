from typing import Final

import pytest

from tests.faults.backlog import queue_sessions, settle_sessions
from tests.faults.drain import drain
from tests.faults.order import out_of_order
from tests.faults.plans import CLAIM, CLAIM_PARAMETERS, DEPTH, plan_of
from tests.faults.stack import Stack
from tests.faults.times import LONG

_SESSIONS: Final = 100_000 if LONG else 2_000
_CUSTOMERS: Final = 10_000 if LONG else 500
_GROWTH: Final = 24 << 20
"""Bytes. A backlog that was held in memory would be a multiple of it in the long run."""


@pytest.mark.timeout(3600 if LONG else 120)
async def test_a_backlog_drains_in_flat_memory(stack: Stack) -> None:
    """Everything that was queued is booked once, each customer's in order, by a worker that does not grow with it."""
    made = await drain(stack, _SESSIONS, customers=_CUSTOMERS, prefix="BACKLOG", patience=3600)
    print(made)  # noqa: T201 - the figures of the run
    assert _SESSIONS == sum(entry["kind"] == "accrual" for entry in await stack.pdi.ledger())
    assert _SESSIONS == (await stack.check([])).booked
    assert 0 == await out_of_order(stack)
    assert made.growth < _GROWTH
    assert made.rate > 0


async def test_what_a_claim_looks_at_does_not_grow(stack: Stack) -> None:
    """The same sixty-four sessions cost the same pages: in a large table, in a long queue, in one just begun."""
    for worker in stack.workers:
        worker.pause()
    await settle_sessions(stack, 4_000, prefix="SETTLED")
    await queue_sessions(stack, 500, customers=500, prefix="SHORT")
    short = await plan_of(stack.database_url, CLAIM, CLAIM_PARAMETERS)
    depth = await plan_of(stack.database_url, DEPTH, {})
    await queue_sessions(stack, 5_000, customers=5_000, prefix="LONG")
    long = await plan_of(stack.database_url, CLAIM, CLAIM_PARAMETERS)
    await stack.clear()
    await settle_sessions(stack, 4_000, prefix="SETTLED")
    await queue_sessions(stack, 2_000, customers=2_000, prefix="SUDDEN", noticed=False)
    sudden = await plan_of(stack.database_url, CLAIM, CLAIM_PARAMETERS)
    await stack.clear()
    pages = [plan.blocks for plan in (short, long, sudden)]
    print(f"pages of one claim: {pages} with 500 owed, 5,500 owed, 2,000 owed without notice")  # noqa: T201 - as above
    for plan in (short, long, sudden):
        assert 64 == plan.rows
        # `returns` has no rows here, and is then rightly read from end to end.
        assert "sessions" not in plan.scanned
        assert {"sessions_owed", "sessions_owed_by_customer"} <= plan.indexes
    assert max(pages) < 2 * min(pages)
    assert "sessions" not in depth.scanned
    assert "sessions_owed" in depth.indexes
