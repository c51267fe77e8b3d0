"""When promotions are open: dates, days and times of day, local to the program."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from loyalty_core.domain.program_parts import Day, Stacking, TimeWindow
from loyalty_core.domain.program_timetable import Timetable
from loyalty_core.domain.rewards import calculate
from tests.unit.rewards.sales import BRONZE, basket, program, times

NIGHT = TimeWindow(time(22), time(2))
MORNING = TimeWindow(time(6), time(10))


def is_open(at: str, zone: str = "UTC", **conditions: Any) -> bool:
    """Whether a promotion under `conditions` pays `at` this time, UTC unless it carries an offset."""
    moment = datetime.fromisoformat(at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    rules = program(times("offer", "2", **conditions), time_zone=zone)
    return bool(calculate(rules, basket("1"), BRONZE, moment).promotions)


@pytest.mark.parametrize(
    ("at", "expected"),
    [("05:59:59.999999", False), ("06:00", True), ("09:59:59.999999", True), ("10:00", False)],
)
def test_start_is_in_and_end_is_out(at: str, expected: bool) -> None:
    """A window holds its first instant and not its last."""
    assert expected == is_open(f"2026-03-03T{at}", times_of_day=(MORNING,))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("06:30:15.000006", False),
        ("06:30:15.000007", True),
        ("06:31:15.000007", True),
        ("06:31:15.000008", False),
        ("06:31:14.999999", True),
        ("07:30:30", False),
    ],
)
def test_windows_are_exact_to_the_microsecond(at: str, expected: bool) -> None:
    """Minutes, seconds and their parts count."""
    window = TimeWindow(time(6, 30, 15, 7), time(6, 31, 15, 8))
    assert expected == is_open(f"2026-03-03T{at}", times_of_day=(window,))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-06T21:59", False),
        ("2026-03-06T22:00", True),
        ("2026-03-07T01:59", True),
        ("2026-03-07T02:00", False),
        ("2026-03-07T22:00", False),
        ("2026-03-06T01:00", False),
    ],
)
def test_a_night_belongs_to_the_day_it_starts_on(at: str, expected: bool) -> None:
    """Friday night ends on Saturday at two; Thursday night is not Friday's."""
    assert expected == is_open(at, days_of_week=(Day.FRI,), times_of_day=(NIGHT,))


def test_sunday_night_ends_on_monday() -> None:
    """A night that crosses the end of the week goes on in the next."""
    assert is_open("2026-03-09T01:00", days_of_week=(Day.SUN,), times_of_day=(NIGHT,))
    assert is_open("2026-03-09T00:00", days_of_week=(Day.SUN,), times_of_day=(NIGHT,))
    assert not is_open("2026-03-10T01:00", days_of_week=(Day.SUN,), times_of_day=(NIGHT,))


def test_midnight_is_exact() -> None:
    """A window until midnight is open to the last microsecond of its day, and one on a day is closed before it."""
    evening = TimeWindow(time(20), time(0))
    assert is_open("2026-03-03T23:59:59.999999", days_of_week=(Day.TUE,), times_of_day=(evening,))
    assert not is_open("2026-03-04T00:00", days_of_week=(Day.TUE,), times_of_day=(evening,))
    assert not is_open("2026-03-03T23:59:59.999999", days_of_week=(Day.WED,))
    assert is_open("2026-03-04T00:00", days_of_week=(Day.WED,))


def test_promotions_that_open_and_close_together() -> None:
    """Several promotions change at one moment, each its own way; one whose time never comes keeps none from theirs."""
    vienna: dict[str, Any] = {
        "valid_from": datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001 - local to the program's zone
        "valid_to": datetime(2026, 3, 29, 3, 15),  # noqa: DTZ001 - local to the program's zone
    }
    march = datetime(2026, 3, 10)  # noqa: DTZ001 - local to the program's zone
    offers = (
        times("never", "9", **vienna),
        times("first", "8", times_of_day=(MORNING,)),
        times("second", "7", times_of_day=(MORNING,)),
        times("until", "6", valid_to=march),
        times("after", "5", valid_from=march),
        times("later", "4", valid_from=march),
        times("too", "3", valid_to=march),
    )
    rules = program(*offers, time_zone="Europe/Vienna", stacking=Stacking.SUM)
    for at, expected in (
        ("2026-03-09T06:00+00:00", ["first", "second", "until", "too"]),
        ("2026-03-09T12:00+00:00", ["until", "too"]),
        ("2026-03-10T06:00+00:00", ["first", "second", "after", "later"]),
        ("2026-03-29T00:45+00:00", ["after", "later"]),
    ):
        quote = calculate(rules, basket("1"), BRONZE, datetime.fromisoformat(at))
        assert expected == [award.id for award in quote.promotions]


@pytest.mark.parametrize(
    ("windows", "opened"),
    [
        ((TimeWindow(time(6), time(10)), TimeWindow(time(8), time(12))), range(6, 12)),
        ((TimeWindow(time(6), time(10)), TimeWindow(time(10), time(12))), range(6, 12)),
        ((TimeWindow(time(6), time(12)), TimeWindow(time(8), time(10))), range(6, 12)),
        ((TimeWindow(time(8), time(0)),), range(8, 24)),
    ],
    ids=["overlapping", "touching", "nested", "until midnight"],
)
def test_any_of_several_windows(windows: tuple[TimeWindow, ...], opened: range) -> None:
    """Windows that overlap, touch or contain each other are open wherever one of them is."""
    hours = [hour for hour in range(24) if is_open(f"2026-03-03T{hour:02}:30", times_of_day=windows)]
    assert list(opened) == hours


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-02-28T23:59:59", False),
        ("2026-03-01T00:00", True),
        ("2026-03-31T23:59", True),
        ("2026-04-01T00:00", False),
    ],
)
def test_validity(at: str, expected: bool) -> None:
    """Valid from the first of March, included, to the first of April, excluded."""
    span: dict[str, Any] = {"valid_from": datetime(2026, 3, 1), "valid_to": datetime(2026, 4, 1)}  # noqa: DTZ001 - local to the program's zone
    assert expected == is_open(at, **span)


def test_windows_are_local() -> None:
    """Six in the morning in Chicago is noon in UTC in winter; days and dates are Chicago's too."""
    zone = "America/Chicago"
    assert is_open("2026-01-06T12:00", zone, times_of_day=(MORNING,))
    assert not is_open("2026-01-06T11:59", zone, times_of_day=(MORNING,))
    assert is_open("2026-01-07T05:59", zone, days_of_week=(Day.TUE,))
    assert is_open("2026-01-06T06:00", zone, valid_from=datetime(2026, 1, 6))  # noqa: DTZ001 - local to the program's zone


def test_the_offset_of_the_moment_is_irrelevant() -> None:
    """One instant is one instant, in whatever zone it was written."""
    assert is_open("2026-03-03T08:00+02:00", times_of_day=(MORNING,))
    assert not is_open("2026-03-03T06:00+02:00", times_of_day=(MORNING,))


def test_a_repeated_hour_does_not_reopen_a_validity() -> None:
    """Valid to 02:30 on the night when clocks go back: over at the first 02:30, and still over at the second."""
    span: dict[str, Any] = {"valid_to": datetime(2026, 10, 25, 2, 30)}  # noqa: DTZ001 - local to the program's zone
    vienna = "Europe/Vienna"
    assert is_open("2026-10-25T00:29", vienna, **span)
    assert not is_open("2026-10-25T00:30", vienna, **span)
    assert not is_open("2026-10-25T01:15", vienna, **span)


def test_a_skipped_hour_may_swallow_a_validity() -> None:
    """From 02:15 to 02:45 on the night when clocks skip 02:00 to 03:00: as long as it says, but an hour later."""
    skipped: dict[str, Any] = {
        "valid_from": datetime(2026, 3, 29, 2, 15),  # noqa: DTZ001 - local to the program's zone
        "valid_to": datetime(2026, 3, 29, 2, 45),  # noqa: DTZ001 - local to the program's zone
    }
    vienna = "Europe/Vienna"
    assert is_open("2026-03-29T01:30", vienna, **skipped)
    assert not is_open("2026-03-29T00:30", vienna, **skipped)
    swallowed = {**skipped, "valid_from": datetime(2026, 3, 29, 2, 30), "valid_to": datetime(2026, 3, 29, 3, 15)}  # noqa: DTZ001 - local to the program's zone
    assert not any(
        is_open(f"2026-03-29T0{hour}:{minute:02}", vienna, **swallowed) for hour in range(4) for minute in (0, 20, 40)
    )


def test_a_zone_is_a_place() -> None:
    """The timetable takes IANA names, so that it knows when clocks change."""
    timetable = Timetable([times("offer", "2", times_of_day=(MORNING,))], "Asia/Kathmandu")
    local = datetime(2026, 3, 3, 6, 0, tzinfo=ZoneInfo("Asia/Kathmandu"))
    assert 1 == timetable.open_at(local.astimezone(UTC))
