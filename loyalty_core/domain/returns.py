"""Giving goods back: how many of a sale's points each return reverses and restores.

Two moments. When a return is accepted, `share_to_return` turns the request into fractions of the sale's lines, judged
against every return that still stands, settled or pending; the fractions are stored with the return. When it is first
sent, after the earlier ones have settled, `figures_to_return` turns the fractions into points, which are frozen.

Fractions of one sale add up in any order. So it does not matter which returns were rejected in between, or what was
asked for by line and what by amount: never more than everything is reversed, and everything is once all is returned.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import msgspec

from loyalty_core.domain.basket import MAX_AMOUNT, MAX_QUANTITY, QUANTITY_PLACES, Basket
from loyalty_core.domain.errors import OverReturn
from loyalty_core.domain.money import scale, spelled, unscale
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.return_request import (
    AmbiguousSku,
    InvalidReturn,
    ReturnedShare,
    ReturnLine,
    ReturnRequest,
    check_request,
)
from loyalty_core.domain.rewards_spread import exclusion, spread

_UNNAMED_SKU = ""


class BookedTotals(msgspec.Struct, frozen=True):
    """What the loyalty host booked for the whole sale, in points: the totals that returns divide."""

    earned: int
    redeemed: int


class ReturnFigures(msgspec.Struct, frozen=True):
    """What one return does to the customer's balance, in points."""

    points_reversed: int
    """Of the points earned: taken back."""
    points_restored: int
    """Of the points redeemed: given back."""


class SettledReturn(msgspec.Struct, frozen=True):
    """A return that the host has accepted, with the figures that it booked."""

    share: ReturnedShare
    figures: ReturnFigures


class SoldLine(NamedTuple):
    """A line as returns see it."""

    sku: str
    quantity: int
    """In 10⁻⁴ of a unit."""
    spend: int
    """In the sale's `spend_unit`."""
    eligible: bool


class Sale(NamedTuple):
    """A finalized sale as returns see it. Made by `sale_of`."""

    lines: tuple[SoldLine, ...]
    spend_unit: Fraction
    """Currency units that one unit of a line's spend stands for."""
    minor_units: int


def sale_of(program: RewardProgram, basket: Basket) -> Sale:
    """The sale of `basket`, quoted under `program`, ready for returns."""
    shares = spread(basket.exact)
    if basket.lines:
        skus = [line.sku for line in basket.lines]
        eligible = [exclusion(program.index, line) is None for line in basket.lines]
    else:
        skus, eligible = [_UNNAMED_SKU], [True]
    return Sale(
        tuple(map(SoldLine, skus, shares.quantities, shares.weights, eligible)),
        Fraction(shares.numerator, shares.denominator),
        program.minor_units,
    )


def share_to_return(sale: Sale, request: ReturnRequest, standing: Iterable[ReturnedShare]) -> ReturnedShare:
    """What `request` takes of `sale`, given the returns still `standing`: settled or pending, not rejected.

    Raises:
        OverReturn: it takes more than they leave, or they leave nothing.
        AmbiguousSku: it names a line by a SKU that several lines carry.
        InvalidReturn: it names no line of the sale, breaks a bound, or asks by line and by amount at once.
    """
    check_request(request, sale.minor_units)
    left = [1 - taken for taken in _added_up(sale, standing)]
    if not any(left):
        raise OverReturn("nothing is left to return: earlier returns, settled or pending, have taken all of the sale")
    if request.lines:
        taken = _by_lines(sale, request.lines, left)
    elif request.amount is not None:
        taken = _by_amount(sale, request.amount, left)
    else:
        taken = left
    return ReturnedShare(tuple(map(str, taken)))


def figures_to_return(
    sale: Sale, booked: BookedTotals, share: ReturnedShare, settled: Sequence[SettledReturn]
) -> ReturnFigures:
    """The points of a return that takes `share`, when the `settled` ones came before it.

    Of each total: the part that is returned by then, rounded down, less what those have moved already; never negative.
    """
    taken = _added_up(sale, (*(earlier.share for earlier in settled), share))
    quantities = [line.quantity for line in sale.lines]
    spend = [line.spend for line in sale.lines]
    eligible_spend = [line.spend if line.eligible else 0 for line in sale.lines]
    eligible_quantities = [line.quantity if line.eligible else 0 for line in sale.lines]
    reversed_before = sum(earlier.figures.points_reversed for earlier in settled)
    restored_before = sum(earlier.figures.points_restored for earlier in settled)
    earned = _part(booked.earned, taken, eligible_spend, eligible_quantities, quantities)
    redeemed = _part(booked.redeemed, taken, spend, quantities)
    return ReturnFigures(max(0, earned - reversed_before), max(0, redeemed - restored_before))


def _added_up(sale: Sale, shares: Iterable[ReturnedShare]) -> list[Fraction]:
    taken = [Fraction(0)] * len(sale.lines)
    for share in shares:
        taken = [total + fraction for total, fraction in zip(taken, share.exact(), strict=True)]
    return taken


def _part(total: int, taken: Sequence[Fraction], *measures: Sequence[int]) -> int:
    """The taken part of `total`, by the first of `measures` that measures anything, rounded down."""
    for measure in measures:
        if whole := sum(measure):
            returned = sum(size * fraction for size, fraction in zip(measure, taken, strict=True))
            return total * returned // whole
    return 0


def _by_lines(sale: Sale, lines: Sequence[ReturnLine], left: Sequence[Fraction]) -> list[Fraction]:
    taken = [Fraction(0)] * len(sale.lines)
    for number, line in enumerate(lines):
        position = _position(sale, line, number)
        quantity = scale(line.quantity, QUANTITY_PLACES, below=MAX_QUANTITY)
        taken[position] += Fraction(quantity, sale.lines[position].quantity)
    for position, fraction in enumerate(taken):
        if fraction > left[position]:
            sold = sale.lines[position].quantity
            raise OverReturn(
                f"line {position}: {_shown(fraction * sold)} is to be returned, "
                f"but earlier returns, settled or pending, leave {_shown(left[position] * sold)}"
            )
    return taken


def _position(sale: Sale, wanted: ReturnLine, number: int) -> int:
    """The position of the line that entry `number` of a request means."""
    if wanted.line is None:
        positions = tuple(position for position, line in enumerate(sale.lines) if line.sku == wanted.sku)
        if not positions:
            raise InvalidReturn(("lines", number, "sku"), "is on no line of the sale")
        if len(positions) > 1:
            raise AmbiguousSku(("lines", number, "sku"), positions)
        return positions[0]
    if not 0 <= wanted.line < len(sale.lines):
        raise InvalidReturn(("lines", number, "line"), f"must be a line of the sale: 0 to {len(sale.lines) - 1}")
    if wanted.sku not in {None, sale.lines[wanted.line].sku}:
        raise InvalidReturn(("lines", number, "sku"), f"is not the SKU of line {wanted.line}")
    return wanted.line


def _by_amount(sale: Sale, amount: Decimal, left: Sequence[Fraction]) -> list[Fraction]:
    """The same part of what is left of every line.

    What is left may end in a fraction of a minor unit, which no till can refund. An amount that exceeds it by less than
    one minor unit therefore takes all of it.
    """
    wanted = scale(amount, sale.minor_units, below=MAX_AMOUNT)
    spend_left = sum(line.spend * part for line, part in zip(sale.lines, left, strict=True))
    minor_left = spend_left * sale.spend_unit * 10**sale.minor_units
    if wanted > ceil(minor_left):
        raise OverReturn(
            f"{unscale(wanted, sale.minor_units)} is to be returned, but earlier returns, settled or pending, "
            f"leave {unscale(ceil(minor_left), sale.minor_units)} of the sale"
        )
    part = min(wanted / minor_left, Fraction(1))
    return [fraction * part for fraction in left]


def _shown(quantity: Fraction) -> str:
    """A quantity in 10⁻⁴ of a unit, rounded down for reading."""
    return spelled(unscale(floor(quantity), QUANTITY_PLACES))
