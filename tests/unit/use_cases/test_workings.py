"""Explanations of quotes: from the workings at hand, or worked out anew, and the same either way."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.use_cases import pricing
from tests.unit.use_cases.shop import Shop

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
COFFEE = BasketLine("COFFEE", Decimal(2), Decimal("3.50"))


def _basket(amount: str) -> Basket:
    return Basket(amount=Decimal(amount), lines=(COFFEE, BasketLine("CAKE", Decimal(1))), channel=ChannelId("POS-1"))


def test_workings_that_were_forgotten_are_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room, and the explanation is the same."""
    monkeypatch.setattr(pricing, "_REMEMBERED", 1)
    desk = Shop().pricing
    quotes = [desk.quote(_basket(amount), CustomerId("CC"), "Gold", AT) for amount in ("10.00", "20.00")]
    assert [1] == [len(desk._workings._kept)]
    explained = [desk.lines(quote) for quote in quotes]
    assert [] == list(desk._workings._kept)
    assert [desk.lines(quote) for quote in quotes] == explained
    assert [quote.earned_points for quote in quotes] == [sum(line.earned_points for line in each) for each in explained]


def test_workings_of_other_figures_are_not_taken() -> None:
    """A tier that is learnt late changes the figures under the same quote's name; so does its explanation."""
    desk = Shop().pricing
    quote = desk.quote(_basket("10.00"), CustomerId("CC"), None, AT)
    retiered = desk.with_tier(quote, CustomerId("CC"), "Gold")
    assert retiered.earned_points == sum(line.earned_points for line in desk.lines(retiered))
    assert retiered.earned_points > quote.earned_points
