"""The parts of a reward program in words."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from loyalty_core.domain.money import spelled
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_parts import Day, Promotion

_DAYS: Final = {day: place for place, day in enumerate(Day)}
_RUN: Final = 3
"""Days in a row from which on the first and the last say it."""


def money(amount: Decimal, program: RewardProgram) -> str:
    """An amount with its currency, and all of its decimals."""
    return f"{figure(amount, program)} {program.currency}"


def figure(amount: Decimal, program: RewardProgram) -> str:
    """The same without the currency."""
    written = spelled(amount)
    places = len(written.partition(".")[2])
    return written if places > program.minor_units else f"{amount:.{program.minor_units}f}"


def counted(number: int, noun: str) -> str:
    """``1 point``, ``2 points``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def reward(promotion: Promotion) -> str:
    """What a promotion gives."""
    if promotion.multiplier is not None:
        return f"{spelled(promotion.multiplier)} times the points"
    assert promotion.points is not None  # noqa: S101 - a program has no promotion without a reward
    assert promotion.per is not None  # noqa: S101 - as above
    return f"{counted(promotion.points, 'point')} per {promotion.per}"


def conditions(promotion: Promotion, program: RewardProgram) -> str:
    """When and for what a promotion pays; all of it must hold."""
    return "; ".join((*_for_what(promotion, program), *_for_whom(promotion), *_when(promotion))) or "always"


def wanted(promotion: Promotion) -> str:
    """The lines that a promotion is for."""
    named = (_named("SKU", promotion.skus), _named("category", promotion.categories))
    return " and ".join(filter(None, named))


def least(promotion: Promotion, program: RewardProgram) -> str:
    """How much of them it takes."""
    units, spend = promotion.minimum_quantity, promotion.minimum_spend
    parts = (
        f"{spelled(units)} unit{'' if units == 1 else 's'} or more" if units else "",
        f"{money(spend, program)} or more" if spend else "",
    )
    return " and ".join(filter(None, parts))


def opening(promotion: Promotion) -> str:
    """The dates, days and hours of a promotion."""
    return "; ".join(_when(promotion))


def listed(names: Iterable[str]) -> str:
    """``A, B, C``."""
    return ", ".join(names)


def _for_what(promotion: Promotion, program: RewardProgram) -> Iterator[str]:
    if lines := wanted(promotion):
        yield f"of {lines}"
    if amount := least(promotion, program):
        yield amount


def _for_whom(promotion: Promotion) -> Iterator[str]:
    if promotion.tiers:
        yield f"for {_named('tier', promotion.tiers)}"
    if promotion.channels:
        yield f"at {_named('channel', promotion.channels)}"


def _when(promotion: Promotion) -> Iterator[str]:
    if promotion.valid_from is not None:
        yield f"from {_moment(promotion.valid_from)}"
    if promotion.valid_to is not None:
        yield f"before {_moment(promotion.valid_to)}"
    if promotion.days_of_week:
        yield f"on {_days(promotion.days_of_week)}"
    if promotion.times_of_day:
        hours = (f"{window.start:%H:%M} to {window.end:%H:%M}" for window in promotion.times_of_day)
        yield f"from {' or from '.join(hours)}"


def _moment(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M}" if local.time() != local.min.time() else f"{local:%Y-%m-%d}"


def _days(days: Iterable[Day]) -> str:
    """``Mon to Fri``, ``Thu, Fri``."""
    places = sorted(_DAYS[day] for day in days)
    runs = [[place for _, place in run] for _, run in groupby(enumerate(places), lambda pair: pair[1] - pair[0])]
    names = [day.value.capitalize() for day in Day]
    return listed(
        f"{names[run[0]]} to {names[run[-1]]}" if len(run) >= _RUN else listed(names[place] for place in run)
        for run in runs
    )


def _named(kind: str, names: tuple[str, ...]) -> str:
    if not names:
        return ""
    several = {"category": "categories"}.get(kind, f"{kind}s")
    return f"{kind if len(names) == 1 else several} {listed(names)}"
