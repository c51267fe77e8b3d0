"""How many points a basket earns. The entry point is `calculate`."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from loyalty_core.domain.basket import AMOUNT_PLACES, Basket
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import rounded_ratio, unscale
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.redemption import Redemption
from loyalty_core.domain.rewards_decision import Decision, decide


class PromotionAward(msgspec.Struct, frozen=True):
    """A promotion that pays, and how many points: more than 0."""

    id: str
    name: str
    points: int


class Quote(msgspec.Struct, frozen=True):
    """What a basket earns, under one exact program. All points are whole, 0 or more, and fit 64 bits.

    It reads back from JSON equal to what was written; with the program of `program_hash`, the basket and the member's
    tier, `calculate` gives the same quote again.
    """

    earned_points: int
    """`base_points` + `bonus_points`, after every cap."""
    base_points: int
    tier_bonus: int
    promotions: tuple[PromotionAward, ...]
    """In the order of the program."""
    bonus_points: int
    """`tier_bonus` and all promotions together."""
    multiplier: Decimal
    """`earned_points` per currency unit of the gross amount, to three decimals, half to even; 0.0 for a zero amount."""
    program_id: str
    program_version: str
    program_hash: str
    at: datetime
    """The moment that decided which promotions were open, in UTC."""
    unknown_tier: bool = False
    """Whether the member has a tier that the program does not know, and so earned the base rate."""
    capped_points: int = 0
    """What the cap on the transaction took."""
    redemption: Redemption | None = None
    """The points that pay for part of the basket, where any do."""


def calculate(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Quote:
    """The points that `basket` earns `member` under `program`, bought at the instant `at`.

    Pure: the same arguments give the same quote, on any machine, at any time.

    Raises:
        InvalidBasket: the amount has more decimals than the program's currency.
        RedemptionRefused: the points to redeem do not fit the program's rules.
        ValueError: `at` has no time zone.
    """
    return quote_of(decide(program, basket, member, at), program, basket, member, at)


def quote_of(decision: Decision, program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Quote:
    """`decision`, which was made of the other arguments, as a quote."""
    index = program.index
    points = decision.points
    awards = tuple(
        PromotionAward(program.promotions[award.place].id, program.promotions[award.place].name, paid)
        for award, paid in zip(decision.alternative.kept, points.promotions, strict=True)
        if paid
    )
    bonus = points.tier + sum(points.promotions)
    earned = points.base + bonus
    redemption = None
    if decision.discount:
        redemption = Redemption(basket.redeem_points, unscale(decision.discount, program.minor_units))
    return Quote(
        earned_points=earned,
        base_points=points.base,
        tier_bonus=points.tier,
        promotions=awards,
        bonus_points=bonus,
        multiplier=rounded_ratio(earned * 10**AMOUNT_PLACES, basket.exact.amount),
        program_id=program.id,
        program_version=program.version,
        program_hash=program.content_hash,
        at=at.astimezone(UTC),
        unknown_tier=member.tier is not None and member.tier not in index.tier_bonus,
        capped_points=decision.cut,
        redemption=redemption,
    )
