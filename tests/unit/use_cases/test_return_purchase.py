"""What a return takes back, and what is refused."""

from decimal import Decimal

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    IllegalTransition,
    OverReturn,
    RejectedByHost,
    SessionNotFound,
    ValidationFailed,
    VersionMismatch,
)
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.return_request import AmbiguousSku, InvalidReturn, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import CommitKind, HostRejection, ReturnOrder
from tests.unit.use_cases.counter import amount, give_back, lines, moved, sold, stored_return
from tests.unit.use_cases.shop import Shop, calculate, cancel, finalize, status

ONE: Decimal = Decimal(1)


async def test_everything_goes_back() -> None:
    """Without lines or an amount it is all that is left: points earned are reversed, points spent are restored."""
    shop = Shop()
    session_id = await sold(shop, redeem=1000)
    earned = (await shop.session(session_id)).earned_points
    answer = (await shop.give_back(give_back(session_id))).answer
    assert (ReturnStatus.RETURNED, earned, 1000) == (answer.status, answer.points_reversed, answer.points_restored)
    session = await shop.session(session_id)
    assert (SessionStatus.RETURNED, "returned", 0) == (session.status, answer.session_status, answer.remaining_points)
    assert (earned, 1000) == (session.points_reversed, session.points_restored)
    assert (earned, 1000) == moved(shop)


@pytest.mark.parametrize(
    ("request_", "points"),
    [(lines((0, "1")), 75), (lines((0, "2")), 150), (lines((1, "2.5")), 75), (amount("75"), 225), (amount("1"), 3)],
)
async def test_a_part_goes_back(request_: ReturnRequest, points: int) -> None:
    """By line or by amount, points go back by what was spent; the sale is then partially returned."""
    shop = Shop()
    session_id = await sold(shop)
    answer = (await shop.give_back(give_back(session_id, request=request_))).answer
    assert (points, 450 - points) == (answer.points_reversed, answer.remaining_points)
    assert ("partially_returned", SessionStatus.PARTIALLY_RETURNED) == (
        answer.session_status,
        (await shop.session(session_id)).status,
    )
    assert (points, 0) == moved(shop)


async def test_return_after_return() -> None:
    """Each has a key of its own; together they move exactly what was booked, and then nothing is left."""
    shop = Shop()
    session_id = await sold(shop)
    for number, request in enumerate((lines((0, "1")), amount("10"), amount("0.01"))):
        await shop.give_back(give_back(session_id, f"R-{number}", request))
    last = (await shop.give_back(give_back(session_id, "R-rest"))).answer
    assert (0, "returned") == (last.remaining_points, last.session_status)
    assert (450, 0) == moved(shop)
    keys = [entry.commit.key for entry in shop.host.ledger if entry.commit.kind is CommitKind.REVERSAL]
    assert (4, 4) == (len(keys), len(set(keys)))
    with pytest.raises(OverReturn):
        await shop.give_back(give_back(session_id, "R-more"))


async def test_a_sale_without_rewards_is_returned_without_the_host() -> None:
    """Nothing was booked, so nothing is asked: not for its second return either, nor after a refused finalize."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostRejection("customer_blocked")))
    with pytest.raises(RejectedByHost):
        await shop.finalize(finalize(session_id))
    await shop.finalize(finalize(session_id, apply_rewards=False))
    first = (await shop.give_back(give_back(session_id, "R-1", amount("50")))).answer
    second = (await shop.give_back(give_back(session_id, "R-2"))).answer
    assert [(ReturnStatus.RETURNED, 0, "partially_returned"), (ReturnStatus.RETURNED, 0, "returned")] == [
        (answer.status, answer.points_reversed, answer.session_status) for answer in (first, second)
    ]
    assert HostCall.RETURN not in shop.host.calls


async def test_a_host_that_moves_less_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figure stands, the difference is told, and the last return makes up for it."""
    shop = Shop()
    session_id = await sold(shop)
    whole = shop.host._book_return

    def five_less(order: ReturnOrder) -> ReturnFigures:
        if order.return_id != "R-1":
            return whole(order)
        return ReturnFigures(order.points_reversed - 5, order.points_restored)

    monkeypatch.setattr(shop.host, "_book_return", five_less)
    first = (await shop.give_back(give_back(session_id, "R-1", lines((0, "2"))))).answer
    assert (145, 305) == (first.points_reversed, first.remaining_points)
    assert 1 == len(shop.notes.booked)
    second = (await shop.give_back(give_back(session_id, "R-2"))).answer
    assert (305, 0) == (second.points_reversed, second.remaining_points)


async def test_a_host_that_moves_more_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond what was asked for settles nothing: the POS is promised, and somebody has to look."""
    shop = Shop()
    session_id = await sold(shop)
    monkeypatch.setattr(
        shop.host, "_book_return", lambda order: ReturnFigures(order.points_reversed + 1, order.points_restored)
    )
    answer = (await shop.give_back(give_back(session_id))).answer
    assert ReturnStatus.ACCEPTED is answer.status
    assert "more_than_asked" == (await stored_return(shop, session_id)).delivery.last_error


async def test_what_was_not_sold_is_not_taken_back() -> None:
    """Lines and SKUs that are not there, nothing, and more than there was, are refused; nothing is on record."""
    shop = Shop()
    session_id = await sold(shop)
    for request in (
        lines((2, "1")),
        ReturnRequest(lines=(ReturnLine(ONE, sku="TEA"),)),
        ReturnRequest(lines=(ReturnLine(ONE),)),
        ReturnRequest(lines=(ReturnLine(ONE, line=0),), amount=ONE),
        lines((0, "0")),
        amount("0"),
        amount("0.001"),
    ):
        with pytest.raises(InvalidReturn):
            await shop.give_back(give_back(session_id, request=request))
    for request in (lines((0, "2.0001")), amount("150.01")):
        with pytest.raises(OverReturn):
            await shop.give_back(give_back(session_id, request=request))
    assert () == (await shop.session(session_id)).returns
    assert (0, 0) == moved(shop)


async def test_an_ambiguous_sku_names_the_lines() -> None:
    """The POS is told which positions it can choose from."""
    shop = Shop()
    session_id = await shop.opened()
    twice = (BasketLine("TEA", ONE, ONE), BasketLine("TEA", ONE, ONE))
    await shop.calculate(calculate(session_id, "2.00", lines=twice))
    await shop.finalize(finalize(session_id, "2.00", lines=twice))
    with pytest.raises(AmbiguousSku) as refused:
        await shop.give_back(give_back(session_id, request=ReturnRequest(lines=(ReturnLine(ONE, sku="TEA"),))))
    assert (0, 1) == refused.value.positions


async def test_a_sale_that_is_not_committed_is_not_returned() -> None:
    """Neither before its finalize nor after a cancel."""
    shop = Shop()
    session_id = await shop.quoted()
    with pytest.raises(IllegalTransition):
        await shop.give_back(give_back(session_id))
    await shop.cancel(cancel(session_id))
    with pytest.raises(IllegalTransition):
        await shop.give_back(give_back(session_id))


async def test_strangers_and_stale_readers_are_refused() -> None:
    """Another client's session is not found, a version that has passed not met, a bad id not taken."""
    shop = Shop()
    session_id = await sold(shop)
    with pytest.raises(SessionNotFound):
        await shop.give_back(give_back(session_id, caller=Caller(ClientId("other"), ("*",))))
    with pytest.raises(VersionMismatch):
        await shop.give_back(give_back(session_id, if_match=1))
    with pytest.raises(ValidationFailed):
        give_back(session_id, "not an id")


async def test_the_status_shows_the_returns() -> None:
    """Each with its figures, its times and how far it has come."""
    shop = Shop()
    session_id = await sold(shop)
    await shop.give_back(give_back(session_id, "R-1", lines((0, "2"))))
    shop.host.closed_for = 5.0
    await shop.give_back(give_back(session_id, "R-2", amount("10")))
    shown = await shop.status(status(session_id))
    settled, waiting = shown.returns
    assert ("R-1", ReturnStatus.RETURNED, 150, 0, False) == (
        settled.return_id, settled.status, settled.points_reversed, settled.points_restored, settled.delivery.queued
    )  # fmt: skip
    assert ("R-2", ReturnStatus.ACCEPTED, None, True, "circuit_open") == (
        waiting.return_id, waiting.status, waiting.points_reversed, waiting.delivery.queued, waiting.delivery.last_error
    )  # fmt: skip
    assert (SessionStatus.PARTIALLY_RETURNED, 150) == (shown.status, shown.points_reversed)
