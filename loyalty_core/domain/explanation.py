"""Why a basket earns what it earns, line by line and promotion by promotion. The entry point is `explain`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from operator import add
from typing import NamedTuple

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.explanation_outcomes import PromotionExplanation, explain_promotions
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import share_out, unscale
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.rewards import Quote, quote_of
from loyalty_core.domain.rewards_decision import Decision, decide
from loyalty_core.domain.rewards_promotions import Award, yield_on
from loyalty_core.domain.rewards_spread import ExclusionReason


class LinePromotion(msgspec.Struct, frozen=True):
    """What one line has of a promotion's points: more than 0."""

    id: str
    points: int


class LineExplanation(msgspec.Struct, frozen=True):
    """One line's part in a quote. Over all lines, each figure sums to that of the quote."""

    position: int
    """In the basket, from 0."""
    sku: str
    """Empty for the one unnamed line of a basket without lines."""
    quantity: Decimal
    spend: Decimal
    """Of the gross amount, in currency units."""
    discount: Decimal
    """Of what redeemed points buy, in currency units. It earns nothing."""
    exclusion: ExclusionReason | None
    """Why the line earns nothing; None: it is eligible."""
    base_points: int
    tier_bonus: int
    promotions: tuple[LinePromotion, ...]
    earned_points: int
    """All of the line's points together, after every cap."""
    capped_points: int
    """What the cap on the transaction took from the line."""


class Explanation(msgspec.Struct, frozen=True):
    """A quote and how it came about."""

    quote: Quote
    lines: tuple[LineExplanation, ...]
    promotions: tuple[PromotionExplanation, ...]
    """All promotions of the program, in its order, with those that pay nothing and why."""
    eligible_spend: Decimal
    """What the lines that earn carry after the discount, in currency units, rounded down to the smallest coin."""
    below_minimum: bool
    """Whether that is below the program's minimum, so that nothing is earned."""


class _Attributed(NamedTuple):
    """Points by line."""

    base: list[int]
    tier: list[int]
    promotions: list[list[int]]
    """By award."""
    cut: list[int]


def explain(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Explanation:
    """What `calculate` gives for the same arguments, and how it came about.

    Totals come first: whole points and cents are attributed to lines afterwards, by largest remainder, ties by SKU and
    then by position. So no line's figure is a rounding of its own, and none feeds back into a total.

    Raises:
        InvalidBasket, RedemptionRefused, ValueError: as `calculate`.
    """
    decision = decide(program, basket, member, at)
    quote = quote_of(decision, program, basket, member, at)
    worth = decision.worth
    weight = sum(line.weight for line in decision.eligible)
    eligible_spend = weight * worth.spend_numerator * 10**program.minor_units // worth.spend_denominator
    return Explanation(
        quote=quote,
        lines=lines_of(decision, program, basket),
        promotions=explain_promotions(program, basket, member, at, decision),
        eligible_spend=unscale(eligible_spend, program.minor_units),
        below_minimum=decision.below_minimum,
    )


def lines_of(decision: Decision, program: RewardProgram, basket: Basket) -> tuple[LineExplanation, ...]:
    """The lines of `explain` alone, for less than half of its price. `decision` is what `program` made of `basket`."""
    amount = program.check_amount(basket.amount)
    order = sorted(range(len(decision.lines)), key=lambda position: decision.lines[position].sku)
    spend = share_out(amount, decision.spread.weights, order)
    discount = share_out(decision.discount, decision.spread.weights, order)
    points = _attribute(program, decision, order)
    ids = [program.promotions[award.place].id for award in decision.alternative.kept]
    lines = []
    for position, line in enumerate(decision.lines):
        shares = tuple(
            LinePromotion(name, by_line[position])
            for name, by_line in zip(ids, points.promotions, strict=True)
            if by_line[position]
        )
        base, tier = points.base[position], points.tier[position]
        lines.append(
            LineExplanation(
                position=position,
                sku=line.sku,
                quantity=line.quantity,
                spend=unscale(spend[position], program.minor_units),
                discount=unscale(discount[position], program.minor_units),
                exclusion=decision.exclusions[position],
                base_points=base,
                tier_bonus=tier,
                promotions=shares,
                earned_points=base + tier + sum(share.points for share in shares),
                capped_points=points.cut[position],
            )
        )
    return tuple(lines)


def _attribute(program: RewardProgram, decision: Decision, order: Sequence[int]) -> _Attributed:
    size = len(decision.lines)
    spend = [0] * size
    for line in decision.eligible:
        spend[line.position] = line.weight
    weights = [_award_weights(program, decision, award, size) for award in decision.alternative.kept]
    uncut, points = decision.uncut, decision.points
    cut = [0] * size
    for before, after, by_line in zip(
        (uncut.base, uncut.tier, *uncut.promotions),
        (points.base, points.tier, *points.promotions),
        (spend, spend, *weights),
        strict=True,
    ):
        if before > after:
            cut = list(map(add, cut, share_out(before - after, by_line, order)))
    return _Attributed(
        base=share_out(points.base, spend, order),
        tier=share_out(points.tier, spend, order),
        promotions=[share_out(paid, by_line, order) for paid, by_line in zip(points.promotions, weights, strict=True)],
        cut=cut,
    )


def _award_weights(program: RewardProgram, decision: Decision, award: Award, size: int) -> list[int]:
    """By line, how much of an award it is behind: what it yields; points per basket by spend, else quantity."""
    entry = program.index.by_bit[award.bit]
    lines = [
        line
        for line, counted_for in zip(decision.eligible, decision.alternative.counted_for, strict=True)
        if counted_for & award.bit
    ]
    measured = [yield_on(entry, line, decision.worth) for line in lines]
    if entry.by_basket:
        measured = [line.weight for line in lines]
        if not any(measured):
            measured = [line.quantity for line in lines]
    weights = [0] * size
    for line, weight in zip(lines, measured, strict=True):
        weights[line.position] = weight
    return weights
