"""What each state of a session can be answered with, and what no caller may ask for."""

import msgspec
import pytest

from loyalty_core.domain.errors import ConcurrentUpdate
from loyalty_core.domain.session import SessionStatus
from loyalty_core.use_cases.budgets import Deadline, StoreTime
from loyalty_core.use_cases.finalize_answers import answer_now
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.session_answers import promised_answer, return_answer, settled_answer
from loyalty_core.use_cases.turns import Try
from tests.unit.session.examples import ACTIVE, LEASE, NOW, SITUATIONS
from tests.unit.use_cases.counter import give_back, sold, stored_return
from tests.unit.use_cases.shop import Shop


def test_only_what_is_settled_has_a_settled_answer() -> None:
    """Asking for it earlier is a bug, and no answer is made up."""
    with pytest.raises(ValueError, match="settled"):
        settled_answer(SITUATIONS["finalizing, unsent"]())
    assert SessionStatus.FINALIZED is settled_answer(SITUATIONS["partially returned"]()).status


def test_only_an_intent_can_be_promised() -> None:
    """Asking for it earlier is a bug."""
    with pytest.raises(ValueError, match="intent"):
        promised_answer(ACTIVE)


async def test_only_a_return_that_was_answered_has_an_answer() -> None:
    """Before its promise there is nothing that it could have been told."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.closed_for = 5
    await shop.give_back(give_back(session_id))
    session, goods = await shop.session(session_id), await stored_return(shop, session_id)

    assert "R-1" == return_answer(session, goods).return_id
    with pytest.raises(ValueError, match="was answered"):
        return_answer(session, msgspec.structs.replace(goods, answered=None))


async def test_only_what_is_owed_is_delivered() -> None:
    """A session without an intent is nobody's errand."""
    shop = Shop()
    turn = Try(
        errand=SALE,
        deadline=Deadline(shop.clock, 10),
        time=StoreTime(shop.clock, NOW),
        lease=LEASE,
        live=False,
    )

    with pytest.raises(ValueError, match="does not owe"):
        await shop.settlement.advance(ACTIVE, turn, begun=False)


def test_an_intent_that_is_gone_though_nobody_took_it_back() -> None:
    """It cannot be, and if it is, the till is told to look again rather than that it is settled."""
    with pytest.raises(ConcurrentUpdate):
        answer_now(ACTIVE, NOW)
