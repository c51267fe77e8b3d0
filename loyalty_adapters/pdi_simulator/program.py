"""PDI's own simple program, in exact arithmetic and in nobody else's code."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import floor
from typing import Final

from loyalty_adapters.pdi_simulator.messages import Rejection

TIER_BONUS_PERCENT: Final = {"Bronze": 0, "Silver": 25, "Gold": 50, "Platinum": 100}
EXCLUDED_CATEGORIES: Final = frozenset({"tobacco", "lottery", "gift_card"})
_THOUSANDTH: Final = Decimal("0.001")
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Line:
    """One basket line; `unit_price` in currency units, None where the terminal sent none."""

    qty: Decimal
    unit_price: Decimal | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Quote:
    """Points a purchase earns; `discount` in currency units is what `redeemed` points pay."""

    base: int
    tier_bonus: int
    multiplier: Decimal
    redeemed: int
    discount: Decimal

    @property
    def earned(self) -> int:
        """Base and bonus together."""
        return self.base + self.tier_bonus


@dataclass(slots=True)
class Program:
    """The rates; changed by the control API to make PDI's figure differ from the client's.

    `books_own_figure` makes finalize book PDI's computation where the request carries another figure.
    """

    points_per_unit: Decimal = Decimal(2)
    redeem_points_per_unit: int = 100
    books_own_figure: bool = False

    def restore(self) -> None:
        """Back to the rates it started with."""
        self.points_per_unit = Decimal(2)
        self.redeem_points_per_unit = 100
        self.books_own_figure = False

    def quote(self, amount: Decimal, lines: Sequence[Line], tier: str, redeem_points: int) -> Quote:
        """Base = floor(eligible spend x rate), bonus = floor(base x the tier's per cent).

        `amount` is gross. Redeemed points pay a discount (whole cents, rounded down) taken off every line pro rata; the
        discounted part earns nothing. The balance is not judged here.

        Raises:
            Rejection: 422 `redemption_exceeds_amount`.
        """
        discount = self._discount(amount, redeem_points)
        net = amount - discount
        eligible = Fraction(net) if net else Fraction(0)
        if net and any(line.category in EXCLUDED_CATEGORIES for line in lines):
            eligible *= _eligible_share(amount, lines)
        base = floor(eligible * Fraction(self.points_per_unit))
        bonus = base * TIER_BONUS_PERCENT.get(tier, 0) // 100
        return Quote(base, bonus, _multiplier(base + bonus, amount), redeem_points, discount)

    def _discount(self, amount: Decimal, redeem_points: int) -> Decimal:
        cents = redeem_points * 100 // self.redeem_points_per_unit
        discount = Decimal(cents) * _CENT
        if discount > amount:
            details = {"discount": discount, "amount": amount}
            raise Rejection(422, "redemption_exceeds_amount", "The points are worth more than the basket.", details)
        return discount


def _multiplier(earned: int, amount: Decimal) -> Decimal:
    """Points per currency unit, three decimals half-even, written with at least one (`3.0`); 0.0 for no amount."""
    if not amount:
        return Decimal("0.0")
    rounded = (earned / amount).quantize(_THOUSANDTH, ROUND_HALF_EVEN)
    for places in ("0.1", "0.01"):
        shorter = rounded.quantize(Decimal(places))
        if shorter == rounded:
            return shorter
    return rounded


def _eligible_share(amount: Decimal, lines: Sequence[Line]) -> Fraction:
    """The part of the amount that falls on lines that may earn.

    A priced line weighs price times quantity; unpriced lines share by quantity what the priced ones leave. Where the
    priced ones leave nothing, or all are priced, all weights scale to the amount; with no weight at all, quantity
    decides.
    """
    weights = [
        Fraction(line.unit_price) * Fraction(line.qty) if line.unit_price is not None else None for line in lines
    ]
    priced = sum((weight for weight in weights if weight is not None), Fraction(0))
    unpriced_qty = sum(
        (Fraction(line.qty) for line, weight in zip(lines, weights, strict=True) if weight is None), Fraction(0)
    )
    left = max(Fraction(amount) - priced, Fraction(0))
    spread = [
        weight if weight is not None else left * Fraction(line.qty) / unpriced_qty
        for line, weight in zip(lines, weights, strict=True)
    ]
    total = sum(spread, Fraction(0))
    if not total:
        spread = [Fraction(line.qty) for line in lines]
        total = sum(spread, Fraction(0))
    kept = (share for line, share in zip(lines, spread, strict=True) if line.category not in EXCLUDED_CATEGORIES)
    return sum(kept, Fraction(0)) / total
