"""What became of each promotion of a program on one basket."""

from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import or_

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.rewards_decision import Decision


class Outcome(StrEnum):
    """Why a promotion pays what it pays. The first that holds."""

    PAID = "paid"
    OTHER_TIER = "other_tier"
    """It is for tiers that the member is not in."""
    OTHER_CHANNEL = "other_channel"
    NOT_NOW = "not_now"
    """Its dates, days or times of day do not hold the moment of the purchase."""
    NO_LINE = "no_line"
    """No eligible line has its SKUs and categories."""
    PROGRAM_MINIMUM = "program_minimum"
    """The basket's eligible spend is below the minimum of the whole program."""
    MINIMUM = "minimum"
    """Its own minimum of quantity or spend is not reached."""
    EXCLUSIVE = "exclusive"
    """It cannot be combined with promotions that are worth more."""
    OUTBID = "outbid"
    """Every line it matches counts for another promotion, which yields more there or comes first."""
    TOO_SMALL = "too_small"
    """It yields less than a whole point."""
    TOO_MANY = "too_many"
    """As many promotions pay already as may pay on one transaction."""
    TRANSACTION_CAP = "transaction_cap"
    """The cap on the transaction left nothing for it."""


class PromotionExplanation(msgspec.Struct, frozen=True):
    """One promotion's part in a quote, in points: `points` + the three takings = `uncapped_points`."""

    id: str
    name: str
    outcome: Outcome
    points: int = 0
    uncapped_points: int = 0
    taken_by_promotion_cap: int = 0
    taken_by_number_cap: int = 0
    """By the cap on how many promotions pay."""
    taken_by_transaction_cap: int = 0


def explain_promotions(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, decision: Decision
) -> tuple[PromotionExplanation, ...]:
    """Every promotion of `program`, in its order, as `decision`, made of the other arguments, treated it."""
    bits = {entry.place: bit for bit, entry in program.index.by_bit.items()}
    alternative = decision.alternative
    explained = {}
    for award, paid in zip(alternative.kept, decision.points.promotions, strict=True):
        promotion = program.promotions[award.place]
        explained[award.place] = PromotionExplanation(
            promotion.id,
            promotion.name,
            Outcome.PAID if paid else Outcome.TRANSACTION_CAP,
            points=paid,
            uncapped_points=award.uncapped,
            taken_by_promotion_cap=award.uncapped - award.points,
            taken_by_transaction_cap=award.points - paid,
        )
    for award in alternative.dropped:
        promotion = program.promotions[award.place]
        explained[award.place] = PromotionExplanation(
            promotion.id,
            promotion.name,
            Outcome.TOO_MANY,
            uncapped_points=award.uncapped,
            taken_by_promotion_cap=award.uncapped - award.points,
            taken_by_number_cap=award.points,
        )
    filters = _filters(program, basket, member, at, decision)
    for place, promotion in enumerate(program.promotions):
        if place not in explained:
            stopped_by = (outcome for outcome, passing in filters if not passing & bits[place])
            explained[place] = PromotionExplanation(promotion.id, promotion.name, next(stopped_by, Outcome.TOO_SMALL))
    return tuple(explained[place] for place in range(len(program.promotions)))


def _filters(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, decision: Decision
) -> list[tuple[Outcome, int]]:
    """What may keep a promotion from an award, in order, and the mask of those that pass it."""
    index = program.index
    return [
        (Outcome.OTHER_TIER, index.for_tier(member.tier)),
        (Outcome.OTHER_CHANNEL, index.for_channel(basket.channel)),
        (Outcome.NOT_NOW, index.timetable.open_at(at)),
        (Outcome.NO_LINE, reduce(or_, (line.matches for line in decision.eligible), 0)),
        (Outcome.PROGRAM_MINIMUM, 0 if decision.below_minimum else index.all),
        (Outcome.MINIMUM, decision.applying),
        (Outcome.EXCLUSIVE, decision.alternative.applied),
        (Outcome.OUTBID, reduce(or_, decision.alternative.counted_for, 0)),
    ]
