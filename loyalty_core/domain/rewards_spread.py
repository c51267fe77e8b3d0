"""Steps 1 to 3: the gross amount over the lines, exactly; the discount off it; what earns and what does not."""

from enum import StrEnum
from typing import Final, NamedTuple

from loyalty_core.domain.basket import AMOUNT_PLACES, PRICE_PLACES, QUANTITY_PLACES, BasketLine, ExactBasket
from loyalty_core.domain.program_index import ProgramIndex

_AMOUNT: Final = 10**AMOUNT_PLACES
_WEIGHT_PER_AMOUNT: Final = 10 ** (PRICE_PLACES + QUANTITY_PLACES - AMOUNT_PLACES)
"""A price times a quantity is in units this much finer than an amount."""


class ExclusionReason(StrEnum):
    """Why a line earns nothing."""

    SKU = "excluded_sku"
    CATEGORY = "excluded_category"


class Spread(NamedTuple):
    """The gross amount over the lines: line ``i`` carries ``weights[i] * numerator / denominator`` currency units."""

    weights: list[int]
    quantities: tuple[int, ...]
    """In 10⁻⁴ of a unit."""
    numerator: int
    denominator: int


def spread(basket: ExactBasket) -> Spread:
    """Spread the gross amount by what the lines cost.

    A priced line weighs price times quantity, and lines without a price share what the priced ones leave, by quantity.
    Where every line has a price, or the priced ones exceed the amount, all are scaled to the amount: the difference is
    a discount or a tax on the basket. If nothing weighs anything, quantities do. No lines count as one of quantity 1,
    unless nothing at all is sold.
    """
    amount, quantities, prices = basket
    if not quantities and not amount:
        return Spread([], (), 0, 1)
    if not quantities:
        return Spread([1], (10**QUANTITY_PLACES,), amount, _AMOUNT)
    weights = [0 if price is None else price * quantity for price, quantity in zip(prices, quantities, strict=True)]
    priced = sum(weights)
    left = amount * _WEIGHT_PER_AMOUNT - priced
    if left >= 0 and None in prices:
        unpriced = sum(quantity for price, quantity in zip(prices, quantities, strict=True) if price is None)
        shared = [
            left * quantity if price is None else weight * unpriced
            for weight, price, quantity in zip(weights, prices, quantities, strict=True)
        ]
        return Spread(shared, quantities, 1, unpriced * _AMOUNT * _WEIGHT_PER_AMOUNT)
    if not priced:
        return Spread(list(quantities), quantities, amount, sum(quantities) * _AMOUNT)
    return Spread(weights, quantities, amount, priced * _AMOUNT)


def exclusion(index: ProgramIndex, line: BasketLine) -> ExclusionReason | None:
    """Why `line` earns nothing, or None if it is eligible."""
    if line.sku in index.excluded_skus:
        return ExclusionReason.SKU
    if line.category in index.excluded_categories:
        return ExclusionReason.CATEGORY
    return None
