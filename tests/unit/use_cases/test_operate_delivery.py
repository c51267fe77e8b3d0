"""What an operator decides about a parked delivery, on record."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    IllegalTransition,
    SessionNotFound,
    SettlementFailed,
    ValidationFailed,
)
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import HostSilence
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.operate_delivery import Decision
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.counter import finalizing, give_back, lines, moved, sold, stored_return
from tests.unit.use_cases.shop import Shop, finalize, status

HASTY: Final = SettlementPolicy(park_after=timedelta(seconds=30))
SILENT: Final = Course(error=HostSilence("timeout"))


def decision(session_id: SessionId, *, abandon: bool, operator: str = "grace", reason: str = "checked") -> Decision:
    return Decision(session_id=session_id, abandon=abandon, operator=operator, reason=reason)


async def parked_sale(shop: Shop) -> SessionId:
    """A sale that nobody knows the outcome of, given up by the workers."""
    shop.host.plan(HostCall.FINALIZE, *[SILENT] * 10)
    shop.host.plan(HostCall.REPORT, *[SILENT] * 10)
    session_id = await finalizing(shop)
    await _until_parked(shop)
    return session_id


async def parked_return(shop: Shop) -> SessionId:
    """A sale with a return that is parked, and one behind it."""
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, *[SILENT] * 10)
    shop.host.plan(HostCall.REPORT, *[SILENT] * 10)
    await shop.give_back(give_back(session_id, "R-1", lines((0, "1"))))
    await shop.give_back(give_back(session_id, "R-2"))
    await _until_parked(shop)
    return session_id


async def _until_parked(shop: Shop) -> None:
    while not (await shop.queue.depth()).parked:
        shop.clock.advance(10)
        await shop.deliver()


def heal(shop: Shop) -> None:
    """The host answers again."""
    for courses in shop.host._courses.values():
        courses.clear()


async def test_a_parked_sale_is_tried_again() -> None:
    """It goes back to the workers at once; the timeline names who decided, and why."""
    shop = Shop(policy=HASTY)
    session_id = await parked_sale(shop)
    assert 0 == (await shop.deliver()).claimed
    heal(shop)
    await shop.operate(decision(session_id, abandon=False))
    entry = shop.store.timeline[-1]
    assert (Cause.RETRIED_BY_OPERATOR, "grace: checked") == (entry.cause, entry.detail)
    assert 1 == (await shop.deliver()).settled
    assert SessionStatus.FINALIZED is (await shop.session(session_id)).status
    assert [("1", 450)] == shop.booked()


async def test_a_parked_sale_is_given_up() -> None:
    """It fails with the operator's reason, and says so to whoever asks, the status included."""
    shop = Shop(policy=HASTY)
    session_id = await parked_sale(shop)
    ended = await shop.operate(decision(session_id, abandon=True, reason="PDI says it never saw it"))
    assert (SessionStatus.FAILED, "PDI says it never saw it") == (ended.status, ended.failure)
    assert Cause.ABANDONED_BY_OPERATOR is shop.store.timeline[-1].cause
    shown = await shop.status(status(session_id))
    assert (SessionStatus.FAILED, "PDI says it never saw it") == (shown.status, shown.failure)
    with pytest.raises(SettlementFailed):
        await shop.finalize(finalize(session_id))


async def test_a_parked_return_is_tried_again_and_lets_the_next_one_go() -> None:
    """Both settle, in their order."""
    shop = Shop(policy=HASTY)
    session_id = await parked_return(shop)
    heal(shop)
    await shop.operate(decision(session_id, abandon=False))
    await shop.until_settled()
    assert (450, 0) == moved(shop)
    assert SessionStatus.RETURNED is (await shop.session(session_id)).status


async def test_a_parked_return_is_given_up_and_lets_the_next_one_go() -> None:
    """What it took is free again; the next return is settled without it."""
    shop = Shop(policy=HASTY)
    session_id = await parked_return(shop)
    heal(shop)
    await shop.operate(decision(session_id, abandon=True))
    given_up = await stored_return(shop, session_id, "R-1")
    assert (ReturnStatus.REJECTED, "checked") == (given_up.status, given_up.failure)
    await shop.until_settled()
    assert ReturnStatus.RETURNED is (await stored_return(shop, session_id, "R-2")).status
    assert SessionStatus.PARTIALLY_RETURNED is (await shop.session(session_id)).status
    await shop.give_back(give_back(session_id, "R-3"))
    assert (450, 0) == moved(shop)


@pytest.mark.parametrize("abandon", [True, False])
async def test_only_what_is_parked_is_decided(abandon: bool) -> None:
    """What the workers have in hand, or what is settled, is none of an operator's business."""
    shop = Shop(policy=HASTY)
    shop.host.plan(HostCall.FINALIZE, SILENT)
    waiting = await finalizing(shop)
    with pytest.raises(IllegalTransition, match="not parked"):
        await shop.operate(decision(waiting, abandon=abandon))
    await shop.until_settled()
    shop.host.plan(HostCall.RETURN, SILENT)
    await shop.give_back(give_back(waiting))
    with pytest.raises(IllegalTransition, match="not parked"):
        await shop.operate(decision(waiting, abandon=abandon))
    with pytest.raises(SessionNotFound):
        await shop.operate(decision(SessionId(UUID(int=7)), abandon=abandon))


async def test_a_decision_that_loses_a_race_is_made_again() -> None:
    """Somebody else changed the session: the decision is judged over what is stored by then, a few times."""
    shop = Shop(policy=HASTY)
    session_id = await parked_sale(shop)
    shop.store.plan(Cause.ABANDONED_BY_OPERATOR, StaleSession())
    assert SessionStatus.FAILED is (await shop.operate(decision(session_id, abandon=True))).status
    other = Shop(policy=HASTY)
    session_id = await parked_sale(other)
    for _ in range(MAX_RACES):
        other.store.plan(Cause.RETRIED_BY_OPERATOR, StaleSession())
    with pytest.raises(ConcurrentUpdate):
        await other.operate(decision(session_id, abandon=False))


@pytest.mark.parametrize(
    ("field", "words"),
    [("operator", " "), ("operator", "x" * 201), ("reason", ""), ("reason", "two\nlines"), ("reason", "x" * 201)],
)
async def test_a_decision_has_a_name_and_a_reason(field: str, words: str) -> None:
    """Both are on record for good, so both are words that can be read there."""
    shop = Shop(policy=HASTY)
    session_id = await parked_sale(shop)
    with pytest.raises(ValidationFailed) as refused:
        decision(session_id, abandon=True, **{field: words})
    assert field == refused.value.errors[0].field
