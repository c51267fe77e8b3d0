"""Why a promotion paid what it paid, in words."""

from collections.abc import Iterator
from typing import Final

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.explanation_outcomes import Outcome, PromotionExplanation
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_parts import Promotion
from loyalty_web.authoring.wording import conditions, counted, least, listed, money, opening, reward, wanted

_GAVE_WAY: Final = frozenset(
    {Outcome.EXCLUSIVE, Outcome.OUTBID, Outcome.TOO_SMALL, Outcome.TOO_MANY, Outcome.TRANSACTION_CAP}
)
"""It applied, and pays nothing all the same."""


def reason(
    explained: PromotionExplanation, promotion: Promotion, program: RewardProgram, basket: Basket, member: Member
) -> str:
    """What became of `promotion` on `basket`, and what caps took of it."""
    if explained.outcome is Outcome.PAID:
        told = f"{reward(promotion)}: {conditions(promotion, program)}"
    elif explained.outcome in _GAVE_WAY:
        told = _gave_way(explained.outcome, program)
    else:
        told = _did_not_apply(explained.outcome, promotion, program, basket, member)
    return "; ".join((told, *_taken(explained, program)))


def _did_not_apply(
    outcome: Outcome, promotion: Promotion, program: RewardProgram, basket: Basket, member: Member
) -> str:
    lines = wanted(promotion)
    match outcome:
        case Outcome.OTHER_TIER:
            tier = "not known" if member.tier is None else member.tier
            return f"only for {listed(promotion.tiers)}; the customer's tier is {tier}"
        case Outcome.OTHER_CHANNEL:
            return f"only at {listed(promotion.channels)}; this was at {basket.channel}"
        case Outcome.NOT_NOW:
            return f"not open at that time: {opening(promotion)}"
        case Outcome.PROGRAM_MINIMUM:
            return f"nothing is earned below {money(program.minimum_spend, program)}"
        case Outcome.MINIMUM:
            return f"takes {least(promotion, program)}" + (f" of {lines}" if lines else "")
        case _:
            return f"no line that earns is of {lines}" if lines else "no line earns"


def _gave_way(outcome: Outcome, program: RewardProgram) -> str:
    match outcome:
        case Outcome.EXCLUSIVE:
            return "cannot be combined with what is worth more"
        case Outcome.OUTBID:
            return "on every line it is for, another promotion gives more"
        case Outcome.TOO_MANY:
            most = program.caps.promotions_per_transaction or 0
            return f"at most {counted(most, 'promotion')} may pay on one transaction, and others give more"
        case Outcome.TRANSACTION_CAP:
            most = program.caps.points_per_transaction or 0
            return f"the cap of {counted(most, 'point')} on the transaction left nothing for it"
        case _:
            return "comes to less than a whole point"


def _taken(explained: PromotionExplanation, program: RewardProgram) -> Iterator[str]:
    """What caps took of a promotion, where its outcome does not say so already."""
    most = program.caps.points_per_promotion
    if explained.taken_by_promotion_cap and most is not None:
        yield f"the cap of {counted(most, 'point')} on a promotion took {explained.taken_by_promotion_cap:,} more"
    if explained.taken_by_transaction_cap and explained.outcome is Outcome.PAID:
        yield f"the cap on the transaction took {explained.taken_by_transaction_cap:,} of it"
