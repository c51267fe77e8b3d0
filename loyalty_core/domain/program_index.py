"""A reward program prepared for speed: whole numbers instead of decimals, bit masks instead of conditions.

Each promotion owns one bit. What a line matches is then two dictionary look-ups and an AND, however many promotions
there are, and nothing grows with what a till sends.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec

from loyalty_core.domain.basket import AMOUNT_PLACES, MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, QUANTITY_PLACES, BasketLine
from loyalty_core.domain.money import scale
from loyalty_core.domain.program_parts import Per, Promotion
from loyalty_core.domain.program_timetable import Timetable

if TYPE_CHECKING:  # the program holds its index, so at run time only one can import the other
    from loyalty_core.domain.program import RewardProgram

RATE_PLACES: Final = 6
MULTIPLIER_PLACES: Final = 3
PERCENT_PLACES: Final = 3
PERCENT: Final = 100 * 10**PERCENT_PLACES
"""One hundred per cent as a whole number."""
YIELD: Final = 10**QUANTITY_PLACES
"""The part of a point in which the yields of promotions are whole numbers, but for the base points in them."""
MAX_RATE: Final = 10**3
MAX_MULTIPLIER: Final = 10**3
MAX_TIER_BONUS_PERCENT: Final = 1000
MAX_BASKET_QUANTITY: Final = MAX_QUANTITY * MAX_LINES
"""No basket has this many units."""


class IndexedPromotion(msgspec.Struct, frozen=True, gc=False):
    """One promotion in whole numbers. At most one of the four factors is not 0.

    With lines of weight ``w`` and quantity ``q`` among ``n`` lines it yields
    ``by_base * base(w) + by_quantity * q + by_line * n + by_basket`` in `YIELD` parts of a point.
    """

    place: int
    """Its place in the program: what decides a tie."""
    promotion: Promotion
    by_base: int
    """Applies to the exact base points of the lines."""
    by_quantity: int
    """Applies to quantities in 10⁻⁴ of a unit."""
    by_line: int
    by_basket: int
    minimum_quantity: int
    """In 10⁻⁴ of a unit."""
    minimum_spend: int
    """In 10⁻⁴ of a currency unit."""


class ProgramIndex:
    """The look-ups of one program.

    Bits are dealt by size of reward, the largest first and ties in program order. Within a kind of reward, the best for
    a line is therefore the lowest bit that the line matches, without looking at the others.
    """

    def __init__(self, program: "RewardProgram") -> None:
        entries = sorted(map(_indexed, count(), program.promotions), key=_preference)
        promotions = [entry.promotion for entry in entries]
        self.by_bit: Final = {1 << position: entry for position, entry in enumerate(entries)}
        self.places: Final = {bit: entry.place for bit, entry in self.by_bit.items()}
        self.minor_unit: Final = 10 ** (AMOUNT_PLACES - program.minor_units)
        """In 10⁻⁴ of a currency unit."""
        self.rate: Final = scale(program.points_per_unit, RATE_PLACES, below=MAX_RATE + 1)
        self.minimum_spend: Final = scale(program.minimum_spend, AMOUNT_PLACES, below=MAX_AMOUNT)
        self.tier_bonus: Final = {
            tier.name: scale(tier.bonus_percent, PERCENT_PLACES, below=MAX_TIER_BONUS_PERCENT + 1)
            for tier in program.tiers
        }
        share = program.redemption.largest_share_percent if program.redemption else Decimal(0)
        self.largest_redeemed_share: Final = scale(share, PERCENT_PLACES, below=101)
        """Of the gross amount, out of `PERCENT`."""
        self.excluded_skus: Final = frozenset(program.exclusions.skus)
        self.excluded_categories: Final = frozenset(program.exclusions.categories)

        self.per_basket: Final = _mask(promotions, partial(_gives_per, Per.BASKET))
        self.competing: Final = tuple(_mask(promotions, partial(_gives_per, per)) for per in (None, Per.UNIT, Per.LINE))
        """The kinds of reward that compete for a line: multipliers, then points per unit, then points per line."""
        self.exclusive: Final = _mask(promotions, lambda each: each.exclusive)
        self.with_minimum: Final = _mask(promotions, lambda each: bool(each.minimum_quantity or each.minimum_spend))

        self.all: Final = (1 << len(entries)) - 1

        self._any_sku, self._by_sku = _masks_by(promotions, lambda each: each.skus)
        self._any_category, self._by_category = _masks_by(promotions, lambda each: each.categories)
        self._any_tier, self._by_tier = _masks_by(promotions, lambda each: each.tiers)
        self._any_channel, self._by_channel = _masks_by(promotions, lambda each: each.channels)
        self.timetable: Final = Timetable(promotions, program.time_zone)

    def for_line(self, line: BasketLine) -> int:
        """The promotions whose SKUs and categories `line` has."""
        by_sku = self._by_sku.get(line.sku, self._any_sku)
        if line.category is None:
            return by_sku & self._any_category
        return by_sku & self._by_category.get(line.category, self._any_category)

    def for_tier(self, tier: str | None) -> int:
        """The promotions that a member of `tier` may have."""
        return self._any_tier if tier is None else self._by_tier.get(tier, self._any_tier)

    def for_channel(self, channel: str) -> int:
        """The promotions that run at `channel`."""
        return self._by_channel.get(channel, self._any_channel)


def _indexed(place: int, promotion: Promotion) -> IndexedPromotion:
    multiplier = scale(promotion.multiplier or Decimal(1), MULTIPLIER_PLACES, below=MAX_MULTIPLIER + 1)
    points = {promotion.per: promotion.points or 0}
    return IndexedPromotion(
        place,
        promotion,
        by_base=(multiplier - 10**MULTIPLIER_PLACES) * (YIELD // 10**MULTIPLIER_PLACES),
        by_quantity=points.get(Per.UNIT, 0) * (YIELD // 10**QUANTITY_PLACES),
        by_line=points.get(Per.LINE, 0) * YIELD,
        by_basket=points.get(Per.BASKET, 0) * YIELD,
        minimum_quantity=scale(promotion.minimum_quantity, QUANTITY_PLACES, below=MAX_BASKET_QUANTITY + 1),
        minimum_spend=scale(promotion.minimum_spend, AMOUNT_PLACES, below=MAX_AMOUNT),
    )


def _gives_per(per: Per | None, promotion: Promotion) -> bool:
    return promotion.per == per


def _preference(entry: IndexedPromotion) -> tuple[int, int]:
    """Sorts the largest factor of each kind first, and equal ones by their place."""
    return -max(entry.by_base, entry.by_quantity, entry.by_line, entry.by_basket), entry.place


def _mask(promotions: Iterable[Promotion], holds: Callable[[Promotion], bool]) -> int:
    return sum(1 << bit for bit, promotion in enumerate(promotions) if holds(promotion))


def _masks_by(
    promotions: Iterable[Promotion], names: Callable[[Promotion], tuple[str, ...]]
) -> tuple[int, Mapping[str, int]]:
    """The mask of the promotions that name nothing, and for each name the mask of those that accept it."""
    unconditional = 0
    naming: dict[str, int] = {}
    for bit, promotion in enumerate(promotions):
        if not names(promotion):
            unconditional |= 1 << bit
        for name in names(promotion):
            naming[name] = naming.get(name, 0) | 1 << bit
    return unconditional, {name: mask | unconditional for name, mask in naming.items()}
