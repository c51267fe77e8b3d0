"""Settling what the host turns out to have booked, for whoever has looked at its books."""

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import HostSessionReport, HostSilence
from loyalty_core.ports.session_store import Loaded
from loyalty_core.use_cases.sale_errand import SALE
from tests.unit.use_cases.shop import Shop, finalize

WITHIN = 3.0


async def _unanswered(shop: Shop, *, booked: bool) -> Loaded:
    """A promised sale, sent without an answer."""
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout"), acts=booked))
    await shop.finalize(finalize(session_id))
    loaded = await shop.store.find(session_id)
    assert loaded is not None
    return loaded


async def _report(shop: Shop, loaded: Loaded) -> HostSessionReport:
    assert loaded.session.host_session is not None
    return await shop.host.report(loaded.session.host_session, within=WITHIN)


@pytest.mark.parametrize("brought", [True, False])
async def test_what_is_booked_is_settled(brought: bool) -> None:
    """By the report that the caller brings, without asking again; else by asking."""
    shop = Shop()
    loaded = await _unanswered(shop, booked=True)
    report = await _report(shop, loaded) if brought else None
    asked = shop.host.calls.count(HostCall.REPORT)

    settled = await shop.settlement.settle_if_booked(loaded, SALE, within=WITHIN, report=report)

    assert SessionStatus.FINALIZED is settled.status
    assert settled == await shop.session(settled.id)
    assert (asked if brought else asked + 1) == shop.host.calls.count(HostCall.REPORT)
    assert [("1", 450)] == shop.booked()


async def test_what_is_not_booked_stays_as_it_is() -> None:
    """Absence proves nothing, whoever has seen it: nothing is sent, and nothing fails."""
    shop = Shop()
    loaded = await _unanswered(shop, booked=False)
    report = await _report(shop, loaded)
    asked = list(shop.host.calls)

    assert loaded.session == await shop.settlement.settle_if_booked(loaded, SALE, within=WITHIN, report=report)
    assert loaded.session == await shop.session(loaded.session.id)
    assert asked == shop.host.calls
