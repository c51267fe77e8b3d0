"""The whole calculation in exact numbers: what a quote reports and an explanation attributes to lines."""

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from loyalty_core.domain.basket import AMOUNT_PLACES, Basket, BasketLine
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_index import PERCENT, RATE_PLACES, ProgramIndex
from loyalty_core.domain.redemption import redeem
from loyalty_core.domain.rewards_promotions import (
    NOTHING,
    Alternative,
    EligibleLine,
    Worth,
    applying_promotions,
    best_alternative,
)
from loyalty_core.domain.rewards_spread import ExclusionReason, Spread, exclusion, spread

UNNAMED_LINE: Final = BasketLine(sku="", quantity=Decimal(1))
"""Stands for the whole of a basket that came without lines."""


class Points(NamedTuple):
    """Points by where they come from, after all caps but one."""

    base: int
    tier: int
    promotions: list[int]
    """In the order of the alternative's kept awards."""


class Decision(NamedTuple):
    """Everything decided about one basket."""

    lines: tuple[BasketLine, ...]
    spread: Spread
    """Of the gross amount."""
    exclusions: list[ExclusionReason | None]
    eligible: list[EligibleLine]
    below_minimum: bool
    """Whether the eligible spend is below the program's minimum, so that nothing is earned."""
    discount: int
    """What redeemed points buy, in minor units."""
    worth: Worth
    """Of what is left of the lines after the discount."""
    applying: int
    """The promotions whose conditions all hold, one bit each."""
    alternative: Alternative
    uncut: Points
    """Before the cap on the transaction."""
    points: Points
    """After it."""

    @property
    def earned(self) -> int:
        """Points in all."""
        return self.points.base + self.points.tier + sum(self.points.promotions)

    @property
    def cut(self) -> int:
        """Points that the cap on the transaction took."""
        return self.uncut.base + self.uncut.tier + sum(self.uncut.promotions) - self.earned


def decide(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Decision:
    """Work out `basket` by the steps of the reward rules, in their order.

    Raises:
        InvalidBasket: the amount has more decimals than the program's currency.
        RedemptionRefused: the points to redeem do not fit the program's rules.
        ValueError: `at` has no time zone.
    """
    if at.utcoffset() is None:
        raise ValueError("the time of a purchase must carry a time zone")
    index = program.index
    amount, finer = divmod(basket.exact.amount, index.minor_unit)
    if finer:
        program.check_amount(basket.amount)
    discount = redeem(program, amount, basket.redeem_points) if basket.redeem_points else 0
    lines = basket.lines or (() if basket.is_empty else (UNNAMED_LINE,))
    shares = spread(basket.exact)
    exclusions = [exclusion(index, line) for line in lines]
    open_promotions = index.for_tier(member.tier) & index.for_channel(basket.channel) & index.timetable.open_at(at)
    eligible = _eligible(index, lines, shares, exclusions, open_promotions)
    weight = sum(line.weight for line in eligible)
    # The discounted part earns nothing: every line shrinks by the same share.
    numerator = shares.numerator * (amount - discount) if discount else shares.numerator
    denominator = shares.denominator * amount if discount else shares.denominator
    worth = Worth(numerator, denominator, numerator * index.rate, denominator * 10**RATE_PLACES)
    below_minimum = weight * numerator * 10**AMOUNT_PLACES < index.minimum_spend * denominator
    if below_minimum:
        uncut, applying, alternative = Points(0, 0, []), 0, NOTHING
    else:
        base = weight * worth.points_numerator // worth.points_denominator
        applying = applying_promotions(index, eligible, worth)
        alternative = best_alternative(program, applying, eligible, worth)
        uncut = Points(
            base,
            base * index.tier_bonus.get(member.tier, 0) // PERCENT if member.tier else 0,
            [award.points for award in alternative.kept],
        )
    cut = _cut(uncut, program.caps.points_per_transaction)
    return Decision(
        lines, shares, exclusions, eligible, below_minimum, discount, worth, applying, alternative, uncut, cut
    )


def _eligible(
    index: ProgramIndex,
    lines: tuple[BasketLine, ...],
    shares: Spread,
    exclusions: list[ExclusionReason | None],
    open_promotions: int,
) -> list[EligibleLine]:
    return [
        EligibleLine(position, weight, quantity, open_promotions & index.for_line(line))
        for position, (line, excluded, weight, quantity) in enumerate(
            zip(lines, exclusions, shares.weights, shares.quantities, strict=True)
        )
        if excluded is None
    ]


def _cut(points: Points, cap: int | None) -> Points:
    """`points` under the cap on the transaction: promotions give way first, the last one first, then tier, base."""
    excess = 0 if cap is None else points.base + points.tier + sum(points.promotions) - cap
    if excess <= 0:
        return points
    kept = []
    for each in reversed((points.base, points.tier, *points.promotions)):
        gives_way = min(each, excess)
        excess -= gives_way
        kept.append(each - gives_way)
    *promotions, tier, base = kept
    return Points(base, tier, promotions[::-1])
