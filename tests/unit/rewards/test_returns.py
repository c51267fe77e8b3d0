"""Giving goods back."""

from decimal import Decimal

import pytest

from loyalty_core.domain.basket import FieldPath
from loyalty_core.domain.errors import OverReturn
from loyalty_core.domain.return_request import AmbiguousSku, InvalidReturn, ReturnedShare, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import (
    BookedTotals,
    ReturnFigures,
    Sale,
    SettledReturn,
    figures_to_return,
    sale_of,
    share_to_return,
)
from tests.unit.rewards.sales import basket, line, program

SALE = sale_of(
    program(),
    basket(
        "100",
        line("FRUIT", "3", "20"),
        line("SMOKE", "1", "30", "tobacco"),
        line("BREAD", "2", "2.5"),
        line("BREAD", "1", "5"),
    ),
)
BOOKED = BookedTotals(earned=70, redeemed=1000)


def of_line(position: int, quantity: str) -> ReturnLine:
    return ReturnLine(Decimal(quantity), position)


def returned(sale: Sale, booked: BookedTotals, *requests: ReturnRequest) -> list[tuple[int, int]]:
    """What each of `requests` reverses and restores, each settled before the next is asked for."""
    settled: list[SettledReturn] = []
    for request in requests:
        share = share_to_return(sale, request, [each.share for each in settled])
        settled.append(SettledReturn(share, figures_to_return(sale, booked, share, settled)))
    return [(each.figures.points_reversed, each.figures.points_restored) for each in settled]


def test_earned_by_eligible_spend_redeemed_by_all() -> None:
    """A line takes back earned points by its part of eligible spend, and redeemed ones by its part of all spend."""
    fruit, smoke = ReturnRequest((of_line(0, "1"),)), ReturnRequest((of_line(1, "1"),))
    assert [(20, 200), (0, 300)] == returned(SALE, BOOKED, fruit, smoke)


def test_thirds_add_up() -> None:
    """Three thirds are the whole, whatever each was rounded down to."""
    sale = sale_of(program(), basket("10", line("A", "3", "3.33")))
    third = ReturnRequest((of_line(0, "1"),))
    assert [(3, 33), (3, 33), (4, 34)] == returned(sale, BookedTotals(10, 100), third, third, third)


def test_by_amount_then_the_rest() -> None:
    """An amount takes the same part of everything that is left; the remainder takes what is left of that."""
    half, rest = ReturnRequest(amount=Decimal(50)), ReturnRequest()
    assert [(35, 500), (35, 500)] == returned(SALE, BOOKED, half, rest)
    assert [(70, 1000)] == returned(SALE, BOOKED, rest)
    fruit = ReturnRequest((of_line(0, "3"),))
    assert [(60, 600), (5, 200), (5, 200)] == returned(SALE, BOOKED, fruit, ReturnRequest(amount=Decimal(20)), rest)


def test_by_quantity_where_nothing_was_spent() -> None:
    """Points on free goods go back by quantity: of the eligible lines, or of all where none is eligible."""
    free = sale_of(program(), basket("0", line("A", "3"), line("SMOKE", "7", category="tobacco")))
    assert [(3, 3)] == returned(free, BookedTotals(9, 30), ReturnRequest((of_line(0, "1"),)))
    excluded = sale_of(program(), basket("10", line("SMOKE", "5", category="tobacco")))
    assert [(2, 2)] == returned(excluded, BookedTotals(10, 10), ReturnRequest((of_line(0, "1"),)))


def test_settled_figures_are_what_the_host_booked() -> None:
    """Where the host has booked more for an earlier return, the next one moves less, and never less than nothing."""
    half = share_to_return(SALE, ReturnRequest(amount=Decimal(50)), ())
    booked_too_much = SettledReturn(half, ReturnFigures(60, 1200))
    assert ReturnFigures(10, 0) == figures_to_return(SALE, BOOKED, half, [booked_too_much])
    assert ReturnFigures(35, 500) == figures_to_return(SALE, BOOKED, half, [])


def test_a_sku_names_its_only_line() -> None:
    """A SKU on one line names it; with a position, the two must agree."""
    by_sku = share_to_return(SALE, ReturnRequest((ReturnLine(Decimal("1.5"), sku="FRUIT"),)), ())
    assert ReturnedShare(("1/2", "0", "0", "0")) == by_sku
    both = share_to_return(SALE, ReturnRequest((ReturnLine(Decimal("0.5"), 2, "BREAD"), of_line(2, "0.5"))), ())
    assert ReturnedShare(("0", "0", "1/2", "0")) == both


def test_unnamed_line() -> None:
    """A sale without lines is one line of quantity 1."""
    sale = sale_of(program(), basket("10"))
    assert ReturnedShare(("1/4",)) == share_to_return(sale, ReturnRequest((of_line(0, "0.25"),)), ())
    assert ReturnedShare(("1/4",)) == share_to_return(sale, ReturnRequest(amount=Decimal("2.50")), ())
    assert [(2, 1)] == returned(sale, BookedTotals(8, 4), ReturnRequest(amount=Decimal("2.50")))


def test_nothing_was_sold() -> None:
    """An empty sale has nothing to return, and no points to move."""
    empty = sale_of(program(), basket("0"))
    nothing = "^nothing is left to return: earlier returns, settled or pending, have taken all of the sale$"
    with pytest.raises(OverReturn, match=nothing):
        share_to_return(empty, ReturnRequest(), ())
    assert ReturnFigures(0, 0) == figures_to_return(empty, BOOKED, ReturnedShare(()), ())


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            ReturnRequest((of_line(0, "2.0001"),)),
            "line 0: 2.0001 is to be returned, but earlier returns, settled or pending, leave 2",
        ),
        (
            ReturnRequest((of_line(0, "1"), of_line(0, "1.5"))),
            "line 0: 2.5 is to be returned, but earlier returns, settled or pending, leave 2",
        ),
        (
            ReturnRequest(amount=Decimal("80.01")),
            "80.01 is to be returned, but earlier returns, settled or pending, leave 80.00 of the sale",
        ),
    ],
)
def test_more_than_is_left(request_: ReturnRequest, message: str) -> None:
    """With one of three units gone, neither more units nor more money than is left can be returned."""
    standing = [share_to_return(SALE, ReturnRequest((of_line(0, "1"),)), ())]
    with pytest.raises(OverReturn) as refused:
        share_to_return(SALE, request_, standing)
    assert (message, "over_return") == (str(refused.value), refused.value.code)


def test_all_is_gone() -> None:
    """After a remainder there is nothing left, not even to return nothing of."""
    everything = share_to_return(SALE, ReturnRequest(), ())
    assert ReturnedShare(("1", "1", "1", "1")) == everything
    for request in (ReturnRequest(), ReturnRequest(amount=Decimal("0.01")), ReturnRequest((of_line(0, "1"),))):
        with pytest.raises(OverReturn, match="nothing is left to return"):
            share_to_return(SALE, request, [everything])


def test_a_fraction_of_a_cent_is_no_over_return() -> None:
    """A third of 10.00 went back by unit; 6.67, what a till would refund for the rest, takes all 6.66 and 2/3."""
    sale = sale_of(program(), basket("10", line("A", "3", "3.33")))
    third = share_to_return(sale, ReturnRequest((of_line(0, "1"),)), ())
    rest = share_to_return(sale, ReturnRequest(amount=Decimal("6.67")), [third])
    assert ReturnedShare(("2/3",)) == rest
    with pytest.raises(OverReturn, match=r"6\.68 is to be returned, .* leave 6\.67"):
        share_to_return(sale, ReturnRequest(amount=Decimal("6.68")), [third])


@pytest.mark.parametrize(
    ("request_", "path", "reason"),
    [
        (ReturnRequest((of_line(0, "1"),), Decimal(1)), ("amount",), "must be left out where lines are named"),
        (ReturnRequest((ReturnLine(Decimal(1)),)), ("lines", 0), "must name a line, or a SKU"),
        (ReturnRequest((of_line(0, "1"), of_line(4, "1"))), ("lines", 1, "line"), "must be a line of the sale: 0 to 3"),
        (ReturnRequest((of_line(-1, "1"),)), ("lines", 0, "line"), "must be a line of the sale: 0 to 3"),
        (ReturnRequest((ReturnLine(Decimal(1), 0, "BREAD"),)), ("lines", 0, "sku"), "is not the SKU of line 0"),
        (ReturnRequest((ReturnLine(Decimal(1), sku="X"),)), ("lines", 0, "sku"), "is on no line of the sale"),
        (ReturnRequest((of_line(0, "0"),)), ("lines", 0, "quantity"), "must be more than 0"),
        (ReturnRequest((of_line(0, "0.00001"),)), ("lines", 0, "quantity"), "must have at most 4 decimals"),
        (ReturnRequest((of_line(0, "1000000"),)), ("lines", 0, "quantity"), "must be less than 1000000"),
        (ReturnRequest((of_line(0, "0.0001"),) * 501), ("lines",), "must have at most 500 entries"),
        (ReturnRequest(amount=Decimal(0)), ("amount",), "must be more than 0"),
        (ReturnRequest(amount=Decimal("0.001")), ("amount",), "must have at most 2 decimals"),
        (ReturnRequest(amount=Decimal(10) ** 10), ("amount",), "must be less than 10000000000"),
    ],
)
def test_requests_that_fit_no_sale(request_: ReturnRequest, path: FieldPath, reason: str) -> None:
    """A request that is wrong in itself is refused with the path of the field, whatever is left."""
    with pytest.raises(InvalidReturn) as refused:
        share_to_return(SALE, request_, ())
    assert (path, reason, "validation_failed") == (refused.value.field_path, refused.value.reason, refused.value.code)


def test_a_sku_on_several_lines() -> None:
    """A SKU on two lines does not say which; the error names both."""
    with pytest.raises(AmbiguousSku) as refused:
        share_to_return(SALE, ReturnRequest((ReturnLine(Decimal(1), sku="BREAD"),)), ())
    assert (2, 3) == refused.value.positions
    assert "lines[0].sku is on lines 2, 3 of the sale; name the line" == str(refused.value)


def test_as_many_lines_as_a_sale_may_have() -> None:
    """A return may name 500 entries."""
    share = share_to_return(SALE, ReturnRequest((of_line(0, "0.0001"),) * 500), ())
    assert ReturnedShare(("1/60", "0", "0", "0")) == share
