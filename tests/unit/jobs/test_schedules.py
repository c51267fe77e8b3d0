from datetime import UTC, datetime, timedelta, timezone

import pytest

from loyalty_web.schedules import CronSchedule, mistake_in, schedule_of

TEN: datetime = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
INSTANT = timedelta(microseconds=1)


def test_the_latest_tick_may_be_now() -> None:
    """At a tick, and for as long as no other has come, it is the latest; an instant before, the one before it is."""
    schedule = CronSchedule("*/15 * * * *")
    for moment, last, following in (
        (TEN - INSTANT, TEN - QUARTER, TEN),
        (TEN, TEN, TEN + QUARTER),
        (TEN + INSTANT, TEN, TEN + QUARTER),
        (TEN + QUARTER - INSTANT, TEN, TEN + QUARTER),
    ):
        assert (last, following) == (schedule.last(moment), schedule.next(moment))


def test_ticks_are_in_utc() -> None:
    """Whatever zone the question is asked in."""
    schedule = CronSchedule("0 2 * * *")
    there = datetime(2026, 11, 23, 21, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert datetime(2026, 11, 24, 2, tzinfo=UTC) == schedule.last(there)
    assert datetime(2026, 11, 25, 2, tzinfo=UTC) == schedule.next(there)


def test_ticks_are_counted() -> None:
    """After the one moment, up to and with the other; and not for ever."""
    schedule = CronSchedule("*/15 * * * *")
    assert [0, 1, 4, 96] == [schedule.count(TEN - ticks * QUARTER, TEN) for ticks in (0, 1, 4, 96)]
    assert [3, 4] == [schedule.count(TEN - timedelta(hours=1), TEN + shift) for shift in (-INSTANT, INSTANT)]
    assert 1000 == CronSchedule("* * * * * *").count(TEN - timedelta(days=400), TEN)


def test_off_is_no_schedule() -> None:
    """In any case, with space around it."""
    assert [None, None] == [schedule_of(" off"), schedule_of("OFF")]
    assert mistake_in("off") is None


@pytest.mark.parametrize(
    "expression", ["", "hourly", "* * * *", "61 * * * *", "0 0 30 2 *", "0 0 31 2,4 *", "*/0 * * * *", "-5 * * * *"]
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    """With an example and without its own words; also what never comes due."""
    mistake = mistake_in(expression)
    assert mistake is not None
    assert "*/15 * * * *" in mistake
    with pytest.raises(ValueError, match=r"is not a cron expression|never comes due"):
        CronSchedule(expression)


def test_what_never_comes_due_is_refused() -> None:
    """The second Monday of a month is never its first day, nor its 29th: nothing would ever run."""
    with pytest.raises(ValueError, match="never comes due"):
        CronSchedule("0 0 */28 2 1#2")
