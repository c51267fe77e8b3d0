"""Schedules as cron expressions, in UTC."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from cronsim import CronSim, CronSimError

OFF: Final = "off"
"""Stands in place of an expression where a job is not to be run by a schedule."""

_COUNTED: Final = 1000
_SECOND: Final = timedelta(seconds=1)
_SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


class CronSchedule:
    """The `Schedule` port over an expression of five fields, or of six that begin with the second."""

    def __init__(self, expression: str) -> None:
        """Raises `ValueError`, which does not repeat the expression, where it is none or no moment ever fits it."""
        self._expression = expression
        try:
            found = next(CronSim(expression, _SOME_TIME), None)
        except CronSimError as error:
            raise ValueError(f"is not a cron expression ({str(error).lower()})") from None
        if found is None:
            raise ValueError("never comes due")

    def last(self, now: datetime) -> datetime | None:
        """See `Schedule.last`."""
        # The library looks strictly before.
        return next(CronSim(self._expression, _whole(now) + _SECOND, reverse=True), None)

    def next(self, now: datetime) -> datetime | None:
        """See `Schedule.next`."""
        return next(CronSim(self._expression, _whole(now)), None)

    def count(self, after: datetime, until: datetime) -> int:
        """See `Schedule.count`."""
        ticks = CronSim(self._expression, _whole(until) + _SECOND, reverse=True)
        return sum(1 for _ in islice(takewhile(lambda tick: tick > after, ticks), _COUNTED))


def schedule_of(expression: str) -> CronSchedule | None:
    """The schedule that an expression says; None where it is `off`. Raises as `CronSchedule`."""
    return None if expression.strip().lower() == OFF else CronSchedule(expression)


def mistake_in(expression: str) -> str | None:
    """What is wrong with an expression, without repeating it."""
    try:
        schedule_of(expression)
    except ValueError as error:
        return f"{error}: five fields in UTC as in */15 * * * *, or `{OFF}`"
    return None


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
