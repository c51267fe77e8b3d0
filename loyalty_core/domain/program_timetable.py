"""When promotions apply: two sorted lists of moments, so that a quote looks its instant up once."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from itertools import accumulate
from operator import xor
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from loyalty_core.domain.program_parts import Day, Promotion

_DAY: Final = 24 * 60 * 60 * 10**6
_WEEK: Final = 7 * _DAY
_WEEKDAYS: Final = {day: number for number, day in enumerate(Day)}
_Moment = TypeVar("_Moment", int, datetime)


class Timetable:
    """Which promotions, as a bit mask, are open at an instant.

    Validity is compared as instants, so an hour that a clock change repeats or skips never reopens a promotion.
    Days and times of day are read off the local wall clock, as customers do.
    """

    def __init__(self, promotions: Sequence[Promotion], time_zone: str) -> None:
        """`promotions` by bit position."""
        self._zone = ZoneInfo(time_zone)
        validity: defaultdict[datetime, int] = defaultdict(int)
        weekly: defaultdict[int, int] = defaultdict(int)
        valid_at_first = 0
        for position, promotion in enumerate(promotions):
            bit = 1 << position
            start, end = self._instant(promotion.valid_from), self._instant(promotion.valid_to)
            for opens, closes in _hours(promotion):
                weekly[opens] ^= bit
                weekly[closes] ^= bit
            if start and end and start >= end:
                continue  # a clock change swallowed the whole span
            if start:
                validity[start] ^= bit
            else:
                valid_at_first |= bit
            if end:
                validity[end] ^= bit
        self._moments, self._valid = _steps(valid_at_first, validity)
        self._times, self._open = _steps(0, weekly)

    def open_at(self, at: datetime) -> int:
        """The promotions whose every window holds `at`, an aware instant."""
        local = at.astimezone(self._zone)
        time_of_week = local.weekday() * _DAY + _since_midnight(local)
        return self._valid[bisect_right(self._moments, at)] & self._open[bisect_right(self._times, time_of_week)]

    def _instant(self, local: datetime | None) -> datetime | None:
        return None if local is None else local.replace(tzinfo=self._zone).astimezone(UTC)


def _hours(promotion: Promotion) -> list[tuple[int, int]]:
    """The promotion's open spans within the week, in microseconds from Monday 00:00, sorted and apart."""
    spans = []
    windows = [(_since_midnight(window.start), _since_midnight(window.end)) for window in promotion.times_of_day]
    for day in promotion.days_of_week or Day:
        midnight = _WEEKDAYS[day] * _DAY
        for start, end in windows or [(0, _DAY)]:
            opens = midnight + start
            closes = midnight + end + (_DAY if end <= start else 0)
            spans.append((opens, min(closes, _WEEK)))
            if closes > _WEEK:
                spans.append((0, closes - _WEEK))
    return _merged(sorted(spans))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """`spans`, sorted, with those that touch or overlap made one, so that each edge is a change."""
    merged: list[tuple[int, int]] = []
    for opens, closes in spans:
        if merged and opens <= merged[-1][1]:
            first, last = merged[-1]
            merged[-1] = first, max(last, closes)
        else:
            merged.append((opens, closes))
    return merged


def _since_midnight(moment: time | datetime) -> int:
    """In microseconds, by the clock on the wall."""
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond


def _steps(first: int, toggles: dict[_Moment, int]) -> tuple[list[_Moment], list[int]]:
    """The moments in order, and the mask before the first of them and after each."""
    moments = sorted(toggles)
    return moments, list(accumulate((toggles[moment] for moment in moments), xor, initial=first))
