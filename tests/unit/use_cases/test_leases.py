"""No worker touches a session whose POS call is in flight."""

from datetime import timedelta

import pytest

from loyalty_core.domain.session import Cause
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.use_cases.patience import SettlementPolicy
from tests.unit.use_cases.shop import BUDGETS, Shop, finalize

GRACE = SettlementPolicy().grace


@pytest.mark.parametrize("slow", [0.0, 3.0, 9.0])
async def test_the_lease_lasts_until_the_calls_deadline_and_a_grace(slow: float) -> None:
    """However long the answer to the first read was under way: the store's clock went on meanwhile."""
    shop = Shop()
    session_id = await shop.quoted()
    started = shop.clock.now()
    shop.store.plan("find", takes=slow)
    leases = []

    async def look() -> None:
        owed = first_owed(await shop.session(session_id))
        assert owed is not None
        leases.append(owed[1].claimed_until)

    shop.store.plan(Cause.HOST_ACCEPTED, first=look)
    await shop.finalize(finalize(session_id))

    assert [started + timedelta(seconds=BUDGETS.finalize) + GRACE] == leases
