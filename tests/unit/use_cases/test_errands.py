"""What an errand refuses to be used for: slips of a caller, told apart from what a till or the host may do."""

import msgspec
import pytest

from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import HostSessionReport
from loyalty_core.use_cases.return_errand import ReturnErrand
from loyalty_core.use_cases.sale_errand import SALE
from tests.unit.session.examples import ACTIVE, SITUATIONS, a_delivery, finalizing
from tests.unit.session.test_session_returns import a_return, told, with_returns
from tests.unit.use_cases.shop import Shop

ERRAND = ReturnErrand(ReturnId("R-1"), built_in_program())
NOTHING = HostSessionReport(status="open", earned_points=0, commits=())


async def test_only_what_is_whole_is_sent() -> None:
    """A sale has an intent the host can know of; a return has figures that were frozen."""
    host = Shop().host
    with pytest.raises(ValueError, match="intent"):
        await SALE.send(host, ACTIVE, within=1)
    with pytest.raises(ValueError, match="frozen"):
        await ERRAND.send(host, with_returns(a_return()), within=1)


def test_a_return_belongs_to_a_sale_and_is_there() -> None:
    """There are no figures of a return without a sale, nor a send of one that is not on record."""
    with pytest.raises(ValueError, match="only a sale"):
        ERRAND.figures(ACTIVE, a_return())
    with pytest.raises(ValueError, match="no such return"):
        ERRAND.ready(with_returns())


def test_what_was_never_sent_is_not_found() -> None:
    """Nothing is looked for under a key that does not exist yet, or no longer."""
    assert SALE.found(ACTIVE, NOTHING) is None
    assert ERRAND.found(with_returns(a_return()), NOTHING) is None


def test_final_answers_are_of_what_is_settled() -> None:
    """Before that there is nothing that could not change, and asking for it is a bug."""
    for errand, session in (
        (SALE, finalizing(a_delivery())),
        (ERRAND, with_returns(a_return())),
        (ERRAND, with_returns()),
    ):
        with pytest.raises(ValueError, match=r"settled|no such return"):
            errand.final_answer(session)
    assert "f" * 64 == SALE.final_answer(SITUATIONS["finalized"]()).fingerprint


def test_an_answer_goes_on_record_when_it_changes() -> None:
    """A change that tells the till nothing new writes none; neither does a sale that is merely tried again."""
    before = with_returns(a_return(answered=told()))
    assert ERRAND.answer(before, before) is None
    assert ERRAND.answer(with_returns(), with_returns(a_return())) is None
    after = ERRAND.answer(with_returns(), before)
    assert after is not None
    assert "R-1" == after.item
    assert SALE.answer(finalizing(a_delivery()), finalizing(a_delivery(unanswered=1))) is None


def test_a_return_spends_nothing_and_owes_nothing_once_it_has_ended() -> None:
    """So it may always be queued, and nobody is sent for it twice."""
    assert not ERRAND.spends_points(with_returns(a_return()))
    assert ERRAND.delivery(with_returns(a_return())) is not None
    ended = msgspec.structs.replace(with_returns(), status=SessionStatus.RETURNED)
    assert ERRAND.delivery(ended) is None
