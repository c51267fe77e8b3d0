"""Points a day under two programs, as a picture that every browser shows."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final
from xml.sax.saxutils import escape

from loyalty_core.domain.program import RewardProgram
from loyalty_web.authoring.comparison import Tally

_WIDTH: Final = 960
_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 45, 60, 50
_OLD_COLOUR: Final = "#8a8f98"
_NEW_COLOUR: Final = "#0b6e4f"
_LINES: Final = 5
"""Of the grid, at most."""
_DATES: Final = 8
"""Named below it, at most."""
_DOTS: Final = 62
"""More days than this are a line without dots."""


def chart(old: RewardProgram, new: RewardProgram, days: Mapping[date, Tally]) -> str:
    """The SVG. A day without sales is one with 0 points."""
    plot = _Plot(days)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#333">',
            f"<title>{_written(old, new)}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="{_LEFT}" y="24" font-size="15">Points a day, {escape(new.time_zone)}</text>',
            _key(_LEFT, _OLD_COLOUR, f"old: {old.id} {old.version}"),
            _key(_LEFT + 300, _NEW_COLOUR, f"new: {new.id} {new.version}"),
            *plot.grid(),
            *plot.dates(),
            *plot.line(_OLD_COLOUR, [tally.old for tally in plot.tallies]),
            *plot.line(_NEW_COLOUR, [tally.new for tally in plot.tallies]),
            "</svg>\n",
        )
    )


class _Plot:
    """Where days and points lie on the picture."""

    def __init__(self, days: Mapping[date, Tally]) -> None:
        first, last = (min(days), max(days)) if days else (date.min, date.min)
        self.days = [first + timedelta(days=number) for number in range((last - first).days + 1)] if days else []
        self.tallies = [days.get(day, Tally()) for day in self.days]
        most = max((max(tally.old, tally.new) for tally in self.tallies), default=0)
        self._step = _round_step(most)
        self._top = max(self._step * -(-most // self._step), self._step)

    def grid(self) -> Iterator[str]:
        """Lines across, with their points."""
        for points in range(0, self._top + 1, self._step):
            y = self._y(points)
            yield f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            yield f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{points:,}</text>'

    def dates(self) -> Iterator[str]:
        """Some of the days, evenly."""
        every = max(1, -(-len(self.days) // _DATES))
        for place in range(0, len(self.days), every):
            x = self._x(place)
            yield f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 22}" text-anchor="middle">{self.days[place]}</text>'

    def line(self, colour: str, points: list[int]) -> Iterator[str]:
        """One program's points."""
        places = [f"{self._x(place)},{self._y(figure)}" for place, figure in enumerate(points)]
        yield f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        if len(points) <= _DOTS:
            for at, figure, day in zip(places, points, self.days, strict=True):
                x, y = at.split(",")
                yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"><title>{day}: {figure:,}</title></circle>'

    def _x(self, place: int) -> int:
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + (width * place // (len(self.days) - 1) if len(self.days) > 1 else width // 2)

    def _y(self, points: int) -> int:
        height = _HEIGHT - _TOP - _BOTTOM
        return _TOP + height - height * points // self._top


def _round_step(most: int) -> int:
    """1, 2 or 5 times a power of ten, so that few lines reach `most`."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * _LINES >= most:
                return step
        power *= 10


def _key(x: int, colour: str, label: str) -> str:
    return (
        f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="46">{escape(label)}</text>'
    )


def _written(old: RewardProgram, new: RewardProgram) -> str:
    return escape(f"Points a day under {old.id} {old.version} and {new.id} {new.version}")
