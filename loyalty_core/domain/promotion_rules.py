"""What must hold of each promotion of a reward program."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from loyalty_core.domain.basket import AMOUNT_PLACES, MAX_AMOUNT, QUANTITY_PLACES, FieldPath
from loyalty_core.domain.program_bounds import (
    check_choice,
    check_count,
    check_decimal,
    check_id,
    check_ids,
    check_name,
    check_unique,
)
from loyalty_core.domain.program_index import MAX_BASKET_QUANTITY, MAX_MULTIPLIER, MULTIPLIER_PLACES
from loyalty_core.domain.program_mistakes import Finding
from loyalty_core.domain.program_parts import Day, Per, Promotion, TimeWindow

if TYPE_CHECKING:  # the program judges itself by these rules, so at run time only one can import the other
    from loyalty_core.domain.program import RewardProgram

MAX_FIXED_POINTS: Final = 10**6
MAX_WINDOWS: Final = 24
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9998
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)


def promotion_findings(program: "RewardProgram", place: int) -> Iterator[Finding]:
    """What is wrong with the promotion at `place`, by itself and within its program."""
    promotion = program.promotions[place]
    path: FieldPath = ("promotions", place)
    yield from check_id((*path, "id"), promotion.id)
    yield from check_name((*path, "name"), promotion.name)
    yield from _reward(program, promotion, path)
    yield from _lines(program, promotion, path)
    yield from check_ids((*path, "channels"), promotion.channels)
    yield from _tiers(program, promotion, path)
    yield from _windows(promotion, path)


def _reward(program: "RewardProgram", promotion: Promotion, path: FieldPath) -> Iterator[Finding]:
    multiplier, points, per = ((*path, key) for key in ("multiplier", "points", "per"))
    if promotion.multiplier is not None and promotion.points is not None:
        yield Finding("cannot stand beside a multiplier; keep one of the two", points)
    if promotion.multiplier is None and promotion.points is None:
        yield Finding("needs a reward: a multiplier, or points with per", path, (multiplier, points))
    if promotion.points is not None and promotion.multiplier is None and promotion.per is None:
        yield Finding("is missing: say whether the points are per unit, line or basket", per, (multiplier, points))
    if promotion.points is None and promotion.per is not None:
        yield Finding("goes with points; remove it, or give points", per, (points,))
    if promotion.per is not None:
        yield from check_choice(per, promotion.per, Per)
    if promotion.multiplier is not None:
        yield from check_decimal(multiplier, promotion.multiplier, MULTIPLIER_PLACES, lowest=1, highest=MAX_MULTIPLIER)
    if promotion.points is not None:
        yield from check_count(points, promotion.points, lowest=1, highest=MAX_FIXED_POINTS)
        for cap in ("points_per_promotion", "points_per_transaction"):
            most = getattr(program.caps, cap)
            if most is not None and promotion.points > most:
                yield Finding(
                    f"can never be paid in full, as caps.{cap} is {most}; lower the points or raise the cap", points
                )


def _lines(program: "RewardProgram", promotion: Promotion, path: FieldPath) -> Iterator[Finding]:
    for kind in ("skus", "categories"):
        names = getattr(promotion, kind)
        excluded = getattr(program.exclusions, kind)
        yield from check_ids((*path, kind), names)
        for position, name in enumerate(names):
            if name in excluded:
                yield Finding(
                    f"names {name!r}, which exclusions.{kind} keeps from earning; remove it from one of the two",
                    (*path, kind, position),
                )
    quantity: FieldPath = (*path, "minimum_quantity")
    yield from check_decimal(
        quantity, promotion.minimum_quantity, QUANTITY_PLACES, lowest=0, highest=MAX_BASKET_QUANTITY
    )
    spend: FieldPath = (*path, "minimum_spend")
    yield from check_decimal(spend, promotion.minimum_spend, AMOUNT_PLACES, lowest=0, highest=MAX_AMOUNT - 1)


def _tiers(program: "RewardProgram", promotion: Promotion, path: FieldPath) -> Iterator[Finding]:
    known = [tier.name for tier in program.tiers]
    reads: tuple[FieldPath, ...] = (("tiers",), *(("tiers", position, "name") for position in range(len(known))))
    for position, name in enumerate(promotion.tiers):
        if name not in known:
            choice = f"name one of {', '.join(map(repr, known))}" if known else "define it first"
            yield Finding(f"is {name!r}, which no tier is called; {choice}", (*path, "tiers", position), reads)
    yield from check_unique([(*path, "tiers", position) for position in range(len(promotion.tiers))], promotion.tiers)


def _windows(promotion: Promotion, path: FieldPath) -> Iterator[Finding]:
    days, times = (*path, "days_of_week"), (*path, "times_of_day")
    for place, day in enumerate(promotion.days_of_week):
        yield from check_choice((*days, place), day, Day)
    yield from check_unique([(*days, place) for place in range(len(promotion.days_of_week))], promotion.days_of_week)
    if len(promotion.times_of_day) > MAX_WINDOWS:
        yield Finding(f"must have at most {MAX_WINDOWS} windows", times)
    for place, window in enumerate(promotion.times_of_day):
        start, end = (*times, place, "start"), (*times, place, "end")
        if window.start == window.end:
            yield Finding("is also the start; leave times_of_day out for the whole day", end, (start,))
        for edge, at in ((window.start, start), (window.end, end)):
            if edge.tzinfo is not None:
                yield Finding("must have no offset: it is local to the program's time_zone", at)
    yield from _validity(promotion, path)


def _validity(promotion: Promotion, path: FieldPath) -> Iterator[Finding]:
    start, end = promotion.valid_from, promotion.valid_to
    from_path, to_path = (*path, "valid_from"), (*path, "valid_to")
    sound = True
    for edge, at in ((start, from_path), (end, to_path)):
        if edge is not None and edge.tzinfo is not None:
            sound = False
            yield Finding("must have no offset: it is local to the program's time_zone", at)
        elif edge is not None and not FIRST_YEAR <= edge.year <= LAST_YEAR:
            sound = False
            yield Finding(f"must be between the years {FIRST_YEAR} and {LAST_YEAR}", at)
    if start is None or end is None or not sound:
        return
    if start >= end:
        yield Finding("must be later than valid_from; the end is exclusive", to_path)
    elif not _ever_open(promotion, start, end):
        yield Finding(
            "comes before any of the promotion's days and times; move it, or widen them",
            to_path,
            tuple((*path, "days_of_week", place) for place in range(len(promotion.days_of_week))),
        )


def _ever_open(promotion: Promotion, start: datetime, end: datetime) -> bool:
    """Whether some window opens between `start` and `end`. A window that crosses midnight belongs to its first day."""
    if end - start >= _WEEK:
        return True
    weekdays = list(Day)
    day = datetime.combine(start.date(), datetime.min.time()) - _DAY
    while day < end:
        if not promotion.days_of_week or weekdays[day.weekday()] in promotion.days_of_week:
            opens = [(day, day + _DAY)]
            if promotion.times_of_day:
                opens = [_window_on(day, window) for window in promotion.times_of_day]
            if any(first < end and last > start for first, last in opens):
                return True
        day += _DAY
    return False


def _window_on(day: datetime, window: TimeWindow) -> tuple[datetime, datetime]:
    """The moments when `window` opens and closes, where it opens on `day`."""
    # An offset is a mistake of its own, which must not keep this one from being found.
    first = datetime.combine(day, window.start.replace(tzinfo=None))
    last = datetime.combine(day, window.end.replace(tzinfo=None))
    return first, last if last > first else last + _DAY
