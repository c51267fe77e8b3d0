"""Abandoning a sale that nothing was sent for."""

from typing import Any

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    IllegalTransition,
    LoyaltyError,
    SessionExpired,
    SessionNotFound,
    ValidationFailed,
    VersionMismatch,
)
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import HostSilence
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.cancel_session import MAX_REASON
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.shop import TTL, Shop, cancel, finalize


async def test_a_quoted_sale_is_cancelled() -> None:
    """The reason goes into the timeline; nothing is asked of the host."""
    shop = Shop()
    session_id = await shop.quoted()
    asked = len(shop.host.calls)

    answer = await shop.cancel(cancel(session_id, reason="customer left"))

    assert (SessionStatus.CANCELLED, 3) == (answer.status, answer.version)
    assert "customer left" == shop.store.timeline[-1].detail
    assert asked == len(shop.host.calls)


async def test_cancelling_again_answers_as_before() -> None:
    """Whatever version the till has read."""
    shop = Shop()
    session_id = await shop.opened()
    first = await shop.cancel(cancel(session_id))

    assert first == await shop.cancel(cancel(session_id, if_match=1))


async def test_what_is_queued_and_unsent_is_cancelled() -> None:
    """Nothing reached the host, so nothing will."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.closed_for = 30
    await shop.finalize(finalize(session_id))

    await shop.cancel(cancel(session_id))
    shop.host.closed_for = 0
    await shop.until_settled()

    assert [] == shop.booked()
    with pytest.raises(IllegalTransition):
        await shop.finalize(finalize(session_id))


async def test_what_was_sent_is_not() -> None:
    """The host may have booked it; the way out is a return."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    await shop.finalize(finalize(session_id))

    with pytest.raises(IllegalTransition) as refused:
        await shop.cancel(cancel(session_id))
    assert "return" in refused.value.allowed


async def test_a_race_is_decided_again() -> None:
    """The cancellation is of the session as it is by then."""
    shop = Shop()
    session_id = await shop.opened()
    shop.store.plan(Cause.CANCELLED, StaleSession())

    assert SessionStatus.CANCELLED is (await shop.cancel(cancel(session_id))).status


async def test_races_end() -> None:
    """Whoever loses every race is told so."""
    shop = Shop()
    session_id = await shop.opened()
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.CANCELLED, StaleSession())

    with pytest.raises(ConcurrentUpdate):
        await shop.cancel(cancel(session_id))


@pytest.mark.parametrize(
    ("change", "error"),
    [({"if_match": 7}, VersionMismatch), ({"caller": Caller(ClientId("bolt"), ("*",))}, SessionNotFound)],
)
async def test_what_is_refused(change: dict[str, Any], error: type[LoyaltyError]) -> None:
    """The session stays as it is."""
    shop = Shop()
    session_id = await shop.opened()

    with pytest.raises(error):
        await shop.cancel(msgspec.structs.replace(cancel(session_id), **change))
    assert 1 == (await shop.session(session_id)).version


async def test_a_session_whose_time_is_over() -> None:
    """There is nothing left to cancel."""
    shop = Shop()
    session_id = await shop.opened()
    shop.clock.advance(TTL.total_seconds())

    with pytest.raises(SessionExpired):
        await shop.cancel(cancel(session_id))


@pytest.mark.parametrize(
    ("reason", "good"), [("x" * MAX_REASON, True), ("x" * (MAX_REASON + 1), False), ("a\nb", False)]
)
async def test_the_reasons_bounds(reason: str, good: bool) -> None:
    """Short and printable: it is read by people, line by line."""
    session_id = await Shop().opened()
    if good:
        assert reason == cancel(session_id, reason=reason).reason
        return
    with pytest.raises(ValidationFailed, match="reason"):
        cancel(session_id, reason=reason)
