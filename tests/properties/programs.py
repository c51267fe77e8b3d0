"""Generated reward programs: small alphabets, so that conditions meet lines and promotions meet each other."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_parts import (
    Caps,
    Day,
    Exclusions,
    Per,
    Promotion,
    RedemptionRules,
    Stacking,
    Tier,
    TimeWindow,
)
from tests.properties.baskets import CATEGORIES, CHANNELS, FIRST_MOMENT, SKUS, TIERS

ZONES = ("UTC", "America/Chicago", "Europe/Vienna", "Asia/Kathmandu")


def decimals(lowest: int, highest: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest * 10**places, highest * 10**places).map(lambda whole: Decimal(whole).scaleb(-places))


def rates() -> st.SearchStrategy[Decimal]:
    return st.integers(0, 5).map(Decimal) | decimals(0, 20, 3) | decimals(0, 1000, 6)


def some(names: tuple[str, ...], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    """Nothing, as a condition that is left out, half of the time."""
    return st.just(()) | st.lists(st.sampled_from(names), max_size=most, unique=True).map(tuple)


def windows() -> st.SearchStrategy[TimeWindow]:
    hours = st.integers(0, 23).map(time)
    return st.tuples(hours, hours).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: TimeWindow(*pair))


@st.composite
def validities(draw: st.DrawFn) -> dict[str, Any]:
    """From, to, or both, with days and times: long enough for some window of the week to open within."""
    start = FIRST_MOMENT.replace(tzinfo=None) + timedelta(hours=draw(st.integers(0, 7 * 24)))
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["valid_from"] = start
    if draw(st.booleans()):
        fields["valid_to"] = start + timedelta(days=draw(st.integers(7, 10)))
    if draw(st.booleans()):
        fields["days_of_week"] = tuple(draw(st.lists(st.sampled_from(list(Day)), max_size=4, unique=True)))
    if draw(st.booleans()):
        fields["times_of_day"] = tuple(draw(st.lists(windows(), max_size=3)))
    return fields


@st.composite
def short_validities(draw: st.DrawFn) -> dict[str, Any]:
    """Some hours of the night when European clocks go forward, which may swallow all of them."""
    midnight = datetime(2026, 3, 29)  # noqa: DTZ001 - local to the program's zone
    start = midnight + timedelta(minutes=30 * draw(st.integers(0, 10)))
    return {"valid_from": start, "valid_to": start + timedelta(minutes=30 * draw(st.integers(1, 6)))}


@st.composite
def promotions(draw: st.DrawFn, number: int, *, fixed: bool, exclusive: bool, tiers: bool) -> Promotion:
    reward: dict[str, Any]
    if fixed and draw(st.booleans()):
        reward = {"points": draw(st.integers(1, 200)), "per": draw(st.sampled_from(Per))}
    else:
        reward = {"multiplier": draw(decimals(1, 4, 0) | decimals(1, 5, 3) | decimals(1, 1000, 3))}
    conditions: dict[str, Any] = {}
    when: dict[str, Any] = {}
    if draw(st.booleans()):
        conditions["skus"] = draw(some(SKUS[:4], 3))
        conditions["categories"] = draw(some(CATEGORIES[:3]))
    if draw(st.booleans()):
        conditions["minimum_quantity"] = draw(st.just(Decimal(0)) | decimals(0, 6, 1))
        conditions["minimum_spend"] = draw(st.just(Decimal(0)) | decimals(0, 80, 2))
    if draw(st.booleans()):
        conditions["channels"] = draw(some(CHANNELS))
        conditions["tiers"] = draw(some(TIERS)) if tiers else ()
        when = draw(st.just({}) | validities() | short_validities())
    alone = exclusive and draw(st.integers(0, 3)) == 0
    return Promotion(f"promotion-{number}", f"Promotion {number}", exclusive=alone, **reward, **conditions, **when)


@st.composite
def caps(draw: st.DrawFn, least: int, *, promotion_caps: bool) -> Caps:
    """`least` is the most that a promotion gives once: no cap may be below it."""
    transaction = draw(st.none() | st.integers(least, least + 400))
    each = number = None
    if promotion_caps:
        each = draw(st.none() | st.integers(least, least + 300))
        number = draw(st.none() | st.integers(1, 2))
    if each is not None and transaction is not None:
        transaction = max(transaction, each)
    return Caps(transaction, each, number)


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    stacking: Stacking | None = None,
    fixed: bool = True,
    exclusive: bool = True,
    tiers: bool = True,
    capped: bool = True,
    promotion_caps: bool = True,
    excluding: bool = False,
    places: int = 2,
) -> RewardProgram:
    """Any program, less what a law's precondition rules out.

    Without `fixed` points, `exclusive` promotions, promotions that name `tiers`, any cap (`capped`), or the caps per
    promotion and on their number (`promotion_caps`); with something excluded for certain if `excluding`.
    """
    number = draw(st.integers(0, 5))
    offers = tuple(draw(promotions(place, fixed=fixed, exclusive=exclusive, tiers=tiers)) for place in range(number))
    most = max((offer.points or 1 for offer in offers), default=1)
    redemption = RedemptionRules(
        points_per_unit=draw(st.sampled_from([1, 7, 100, 9_999 if places == 2 else 99])),
        minimum_points=draw(st.sampled_from([100, 500])),
        step=draw(st.sampled_from([1, 50, 100])),
        largest_share_percent=draw(st.sampled_from([Decimal(100), Decimal(50), Decimal("12.5")])),
    )
    return RewardProgram(
        id="generated",
        version="1",
        currency="EUR",
        minor_units=places,
        time_zone=draw(st.sampled_from(ZONES)),
        points_per_unit=draw(rates()),
        tiers=tuple(Tier(name, draw(decimals(0, 200, 1))) for name in TIERS),
        exclusions=Exclusions(draw(some(SKUS[4:])), CATEGORIES[3:] if excluding else draw(some(CATEGORIES[3:]))),
        minimum_spend=draw(st.just(Decimal(0)) | decimals(0, 30, 2)),
        stacking=draw(st.sampled_from(Stacking)) if stacking is None else stacking,
        promotions=offers,
        caps=draw(caps(most, promotion_caps=promotion_caps)) if capped else Caps(),
        redemption=draw(st.none() | st.just(redemption)),
    )
