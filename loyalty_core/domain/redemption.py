"""Paying with points: what a program allows, and the discount that the points buy."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.money import unscale
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_index import PERCENT


class RedemptionRule(StrEnum):
    """Which rule of a program a redemption breaks."""

    NOT_OFFERED = "not_offered"
    MINIMUM = "minimum"
    STEP = "step"
    LARGEST_SHARE = "largest_share"


class RedemptionRefused(LoyaltyError):
    """The program does not let these points pay for this basket; `rule` says why, the message what would do."""

    code = "validation_failed"

    def __init__(self, rule: RedemptionRule, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class Redemption(msgspec.Struct, frozen=True):
    """Points paid and what they bought."""

    points: int
    discount: Decimal
    """Currency units off the gross amount, with the currency's decimals."""


def redeem(program: RewardProgram, amount: int, points: int) -> int:
    """The discount that `points` buy, in minor units, rounded down; `amount` is the gross one, in minor units.

    At least one minor unit: a program whose minimum buys less is no valid program.

    Raises:
        RedemptionRefused: the points break a rule of the program.
    """
    rules = program.redemption
    if rules is None:
        raise RedemptionRefused(RedemptionRule.NOT_OFFERED, "this program does not take points as payment")
    if points < rules.minimum_points:
        raise RedemptionRefused(RedemptionRule.MINIMUM, f"at least {rules.minimum_points} points must be redeemed")
    if points % rules.step:
        raise RedemptionRefused(RedemptionRule.STEP, f"points are redeemed in multiples of {rules.step}")
    discount: int = points * 10**program.minor_units // rules.points_per_unit
    largest: int = amount * program.index.largest_redeemed_share // PERCENT
    if discount > largest:
        raise RedemptionRefused(
            RedemptionRule.LARGEST_SHARE,
            f"points may pay at most {unscale(largest, program.minor_units)} {program.currency} of this basket, "
            f"not {unscale(discount, program.minor_units)}",
        )
    return discount
