"""The bounds of programs from within: the largest and smallest that are allowed."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_parts import Caps, Day, Exclusions, Per, Promotion, RedemptionRules, Tier, TimeWindow
from loyalty_core.domain.rewards import calculate
from tests.unit.rewards.sales import BRONZE, TUESDAY_NOON, basket, program, times

LONGEST_ID = "x" * 64


@pytest.mark.parametrize(
    "changes",
    [
        {"id": LONGEST_ID, "version": LONGEST_ID},
        {"currency": "XTS", "minor_units": 0},
        {"minor_units": 4},
        {"points_per_unit": Decimal(0)},
        {"points_per_unit": Decimal(1000)},
        {"points_per_unit": Decimal("0.000001")},
        {"minimum_spend": Decimal("0.0001")},
        {"minimum_spend": Decimal(9_999_999_999)},
        {"tiers": (Tier("n" * 100, Decimal(1000)), Tier("é 2", Decimal("0.001")))},
        {"tiers": ()},
        {"exclusions": Exclusions()},
        {"exclusions": Exclusions((LONGEST_ID, "A"), (LONGEST_ID,))},
        {"caps": Caps(1, 1, 1)},
        {"caps": Caps(MAX_POINTS, MAX_POINTS, 1000)},
        {"redemption": RedemptionRules(1)},
        {"redemption": RedemptionRules(10**6, 10**4)},
        {"redemption": RedemptionRules(1, MAX_POINTS, MAX_POINTS, Decimal("0.001"))},
    ],
)
def test_programs_at_their_bounds(changes: dict[str, Any]) -> None:
    """A program at a bound is a program, and calculates."""
    assert calculate(program(**changes), basket("2"), BRONZE, TUESDAY_NOON).earned_points >= 0


@pytest.mark.parametrize(
    "conditions",
    [
        {"multiplier": Decimal(1)},
        {"multiplier": Decimal(1000)},
        {"multiplier": Decimal("1.001")},
        {"points": 1, "per": Per.UNIT},
        {"points": 10**6, "per": Per.BASKET},
        {"multiplier": Decimal(2), "minimum_quantity": Decimal(500_000_000), "minimum_spend": Decimal(9_999_999_999)},
        {"multiplier": Decimal(2), "minimum_quantity": Decimal("0.0001"), "minimum_spend": Decimal("0.0001")},
        {"multiplier": Decimal(2), "valid_from": datetime(1970, 1, 1), "valid_to": datetime(9998, 12, 31)},  # noqa: DTZ001 - local to the program's zone
        {"multiplier": Decimal(2), "times_of_day": tuple(TimeWindow(time(hour), time(hour, 1)) for hour in range(24))},
        {"multiplier": Decimal(2), "skus": (LONGEST_ID,), "categories": (LONGEST_ID,), "channels": (LONGEST_ID,)},
    ],
)
def test_promotions_at_their_bounds(conditions: dict[str, Any]) -> None:
    """A promotion at a bound is a promotion, and calculates."""
    rules = program(Promotion(LONGEST_ID, "n" * 100, **conditions))
    assert calculate(rules, basket("2"), BRONZE, TUESDAY_NOON).base_points == 2


@pytest.mark.parametrize(
    ("units", "tier", "lines", "baskets", "sound"),
    [
        (25, "0", (), 0, True),
        (26, "0", (), 0, False),
        (25, "820.368", (), 0, True),
        (25, "820.369", (), 0, False),
        (25, "820.368", (10**5,), 4, True),
        (25, "820.368", (10**5,), 5, False),
        (25, "820.368", (10**5, 9_551), 0, True),
        (25, "820.368", (10**5, 9_552), 0, False),
    ],
)
def test_the_most_that_one_basket_may_earn(
    units: int, tier: str, lines: tuple[int, ...], baskets: int, sound: bool
) -> None:
    """Base, tier and every kind of reward count towards the 64 bits that no basket may exceed, to the point."""
    kinds = [Promotion(f"m{number}", "M", multiplier=Decimal(1000)) for number in range(922)]
    kinds += [Promotion(f"u{number}", "U", points=10**6, per=Per.UNIT) for number in range(units)]
    kinds += [Promotion(f"l{number}", "L", points=points, per=Per.LINE) for number, points in enumerate(lines)]
    kinds += [Promotion(f"b{number}", "B", points=10**6, per=Per.BASKET) for number in range(baskets)]
    changes: dict[str, Any] = {"points_per_unit": Decimal(1000), "tiers": (Tier("Gold", Decimal(tier)),)}
    if sound:
        assert len(program(*kinds, **changes).promotions) == len(kinds)
    else:
        with pytest.raises(InvalidProgram, match="promotions could together award more than"):
            program(*kinds, **changes)


def test_smallest_redemption_in_whole_units() -> None:
    """Without cents, the smallest redemption must buy a whole unit."""
    yen: dict[str, Any] = {"currency": "JPY", "minor_units": 0}
    assert program(**yen, redemption=RedemptionRules(100, 100)).redemption
    with pytest.raises(InvalidProgram, match=r"redemption\.minimum_points buys less than the smallest coin"):
        program(**yen, redemption=RedemptionRules(100, 99))


MONDAY = datetime(2026, 3, 2)  # noqa: DTZ001 - local to the program's zone
NIGHT, NOON = TimeWindow(time(22), time(2)), TimeWindow(time(12), time(13))


@pytest.mark.parametrize(
    ("start", "length", "days", "windows", "sound"),
    [
        (MONDAY, timedelta(days=1), (Day.MON,), (), True),
        (MONDAY, timedelta(days=1), (Day.TUE, Day.SUN), (), False),
        (MONDAY, timedelta(days=1, microseconds=1), (Day.TUE,), (), True),
        (MONDAY, timedelta(days=6), (Day.SUN,), (), False),
        (MONDAY, timedelta(days=6, hours=1), (Day.SUN,), (), True),
        (MONDAY + timedelta(hours=1), timedelta(days=6, hours=22), (Day.SUN,), (NIGHT,), True),
        (MONDAY, timedelta(days=7), (Day.SUN,), (NIGHT,), True),
        (MONDAY, timedelta(hours=2), (Day.SUN,), (NIGHT,), True),
        (MONDAY + timedelta(hours=2), timedelta(hours=2), (Day.SUN,), (NIGHT,), False),
        (MONDAY + timedelta(hours=2), timedelta(hours=20), (), (NIGHT,), False),
        (MONDAY + timedelta(hours=2), timedelta(hours=20), (), (NIGHT, NOON), True),
        (MONDAY + timedelta(hours=13), timedelta(hours=23), (), (NOON,), False),
        (MONDAY + timedelta(hours=13), timedelta(hours=23, microseconds=1), (), (NOON,), True),
        (MONDAY, timedelta(hours=12), (), (NOON,), False),
    ],
)
def test_windows_within_a_validity(
    start: datetime, length: timedelta, days: tuple[Day, ...], windows: tuple[TimeWindow, ...], sound: bool
) -> None:
    """A validity that is over before any window opens is a mistake; one that holds an instant of one is not."""
    offer = times("offer", "2", valid_from=start, valid_to=start + length, days_of_week=days, times_of_day=windows)
    if sound:
        assert program(offer).promotions == (offer,)
    else:
        with pytest.raises(InvalidProgram, match=r"promotions\[0\]\.valid_to comes before any"):
            program(offer)


def test_offsets_are_reported_wherever_they_are() -> None:
    """Windows and dates with offsets are each a mistake, in one go."""
    utc = TimeWindow(time(12, tzinfo=UTC), time(13, tzinfo=UTC))
    offer = times("offer", "2", valid_from=MONDAY, valid_to=MONDAY + timedelta(hours=1), times_of_day=(utc,))
    with pytest.raises(InvalidProgram) as refused:
        program(offer)
    paths = [mistake.path.removeprefix("promotions[0].") for mistake in refused.value.mistakes]
    assert ["times_of_day[0].start", "times_of_day[0].end", "valid_to"] == paths
    assert "must have no offset: it is local to the program's time_zone" == refused.value.mistakes[0].message


def test_to_the_very_point() -> None:
    """The most that any basket may earn is 2⁶³ - 1 points: allowed to the last one, and not one more."""
    rate, most = {"points_per_unit": Decimal(1000)}, 2**63 - 1
    base, extra, unit = 10**13, 999 * 10**13, 5 * 10**14
    rest = most - base - 922 * extra - 25 * unit
    offers = [Promotion(f"m{number}", "M", multiplier=Decimal(1000)) for number in range(922)]
    offers += [Promotion(f"u{number}", "U", points=10**6, per=Per.UNIT) for number in range(25)]
    tier, rest = divmod(rest, 10**8)
    line, rest = divmod(rest, 500)
    golden: dict[str, Any] = {**rate, "tiers": (Tier("Gold", Decimal(tier).scaleb(-3)),)}
    offers.append(Promotion("line", "L", points=line, per=Per.LINE))
    offers.append(Promotion("basket", "B", points=rest, per=Per.BASKET))
    assert program(*offers, **golden).promotions == tuple(offers)
    with pytest.raises(InvalidProgram, match="promotions could together award more than"):
        program(*offers[:-1], Promotion("basket", "B", points=rest + 1, per=Per.BASKET), **golden)


def test_words_that_are_none_are_told_which_are() -> None:
    """An unknown word in a program built in code is answered with those that there are."""
    with pytest.raises(InvalidProgram, match=r"stacking must be one of best, sum$"):
        program(stacking="most")
