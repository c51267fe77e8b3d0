"""What must hold of a reward program as a whole."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from loyalty_core.domain.basket import AMOUNT_PLACES, MAX_AMOUNT, MAX_LINES, QUANTITY_PLACES, FieldPath
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.program_bounds import (
    check_choice,
    check_count,
    check_decimal,
    check_id,
    check_ids,
    check_name,
    check_unique,
)
from loyalty_core.domain.program_index import (
    MAX_BASKET_QUANTITY,
    MAX_RATE,
    MAX_TIER_BONUS_PERCENT,
    PERCENT,
    PERCENT_PLACES,
    RATE_PLACES,
    YIELD,
    ProgramIndex,
)
from loyalty_core.domain.program_mistakes import Finding
from loyalty_core.domain.program_parts import Stacking
from loyalty_core.domain.promotion_rules import promotion_findings

if TYPE_CHECKING:  # the program judges itself by these rules, so at run time only one can import the other
    from loyalty_core.domain.program import RewardProgram

MAX_PROMOTIONS: Final = 1000
MAX_POINTS_PER_UNIT: Final = 10**6
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def program_findings(program: "RewardProgram") -> Iterator[Finding]:
    """Every rule that `program` breaks, in the order of its parts."""
    sound = True
    for finding in _part_findings(program):
        sound = False
        yield finding
    if sound and _most_points(program.index) > MAX_POINTS:
        yield Finding(f"could together award more than {MAX_POINTS} points; lower them", ("promotions",))


def _part_findings(program: "RewardProgram") -> Iterator[Finding]:
    yield from check_id(("id",), program.id)
    yield from check_id(("version",), program.version)
    yield from _money_and_time(program)
    yield from check_choice(("stacking",), program.stacking, Stacking)
    yield from _tiers(program)
    yield from check_ids(("exclusions", "skus"), program.exclusions.skus)
    yield from check_ids(("exclusions", "categories"), program.exclusions.categories)
    yield from _promotions(program)
    yield from _caps(program)
    yield from _redemption(program)


def _money_and_time(program: "RewardProgram") -> Iterator[Finding]:
    if _CURRENCY.fullmatch(program.currency) is None:
        yield Finding("must be the three capital letters of ISO 4217, such as USD", ("currency",))
    yield from check_count(("minor_units",), program.minor_units, lowest=0, highest=AMOUNT_PLACES)
    try:
        ZoneInfo(program.time_zone)
    except (KeyError, ValueError, OSError):
        yield Finding("must be an IANA time zone, such as America/Chicago", ("time_zone",))
    yield from check_decimal(("points_per_unit",), program.points_per_unit, RATE_PLACES, lowest=0, highest=MAX_RATE)
    yield from check_decimal(("minimum_spend",), program.minimum_spend, AMOUNT_PLACES, lowest=0, highest=MAX_AMOUNT - 1)


def _tiers(program: "RewardProgram") -> Iterator[Finding]:
    paths: list[FieldPath] = [("tiers", place, "name") for place in range(len(program.tiers))]
    for place, tier in enumerate(program.tiers):
        yield from check_name(paths[place], tier.name)
        yield from check_decimal(
            ("tiers", place, "bonus_percent"),
            tier.bonus_percent,
            PERCENT_PLACES,
            lowest=0,
            highest=MAX_TIER_BONUS_PERCENT,
        )
    # The host's spelling decides, so two tiers that differ in case alone are a slip of the pen.
    yield from check_unique(paths, [tier.name.casefold() for tier in program.tiers])


def _promotions(program: "RewardProgram") -> Iterator[Finding]:
    if len(program.promotions) > MAX_PROMOTIONS:
        yield Finding(f"must be at most {MAX_PROMOTIONS}", ("promotions",))
        return
    ids: list[FieldPath] = []
    for place in range(len(program.promotions)):
        ids.append(("promotions", place, "id"))
        yield from promotion_findings(program, place)
    yield from check_unique(ids, [promotion.id for promotion in program.promotions])


def _most_points(index: ProgramIndex) -> int:
    """More than any basket earns, whatever its size, caps aside. Needs a program that breaks no other rule."""
    base = MAX_AMOUNT * index.rate // 10**RATE_PLACES
    tier = base * max(index.tier_bonus.values(), default=0) // PERCENT
    most = [
        each.by_base * base
        + each.by_quantity * MAX_BASKET_QUANTITY * 10**QUANTITY_PLACES
        + each.by_line * MAX_LINES
        + each.by_basket
        for each in index.by_bit.values()
    ]
    return base + tier + sum(most) // YIELD


def _caps(program: "RewardProgram") -> Iterator[Finding]:
    caps = program.caps
    transaction: FieldPath = ("caps", "points_per_transaction")
    promotion: FieldPath = ("caps", "points_per_promotion")
    if caps.points_per_transaction is not None:
        yield from check_count(transaction, caps.points_per_transaction, lowest=1, highest=MAX_POINTS)
    if caps.points_per_promotion is not None:
        yield from check_count(promotion, caps.points_per_promotion, lowest=1, highest=MAX_POINTS)
        if caps.points_per_transaction is not None and caps.points_per_promotion > caps.points_per_transaction:
            yield Finding(
                f"can never be reached, as caps.points_per_transaction is {caps.points_per_transaction}; "
                "lower it or leave it out",
                promotion,
            )
    if caps.promotions_per_transaction is not None:
        yield from check_count(
            ("caps", "promotions_per_transaction"), caps.promotions_per_transaction, lowest=1, highest=MAX_PROMOTIONS
        )


def _redemption(program: "RewardProgram") -> Iterator[Finding]:
    rules = program.redemption
    if rules is None:
        return
    per_unit, minimum, step, share = (
        ("redemption", key) for key in ("points_per_unit", "minimum_points", "step", "largest_share_percent")
    )
    yield from check_count(per_unit, rules.points_per_unit, lowest=1, highest=MAX_POINTS_PER_UNIT)
    yield from check_count(minimum, rules.minimum_points, lowest=1, highest=MAX_POINTS)
    yield from check_count(step, rules.step, lowest=1, highest=MAX_POINTS)
    yield from check_decimal(share, rules.largest_share_percent, PERCENT_PLACES, lowest=0, highest=100)
    if not rules.largest_share_percent:
        yield Finding("must be more than 0; leave out [redemption] to take no points as payment", share)
    if rules.step > 0 and rules.minimum_points % rules.step:
        yield Finding(f"must be a multiple of step, which is {rules.step}", minimum)
    # A bound on minor_units is judged elsewhere; a power of anything beyond it could take for ever.
    smallest_coins: int = 10 ** min(max(program.minor_units, 0), AMOUNT_PLACES)
    if rules.minimum_points * smallest_coins < rules.points_per_unit:
        yield Finding(
            "buys less than the smallest coin; raise it, or lower points_per_unit",
            minimum,
            (("minor_units",),),
        )
