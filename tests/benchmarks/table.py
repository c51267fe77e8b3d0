"""What was measured, as one table for people and one document for programs."""

from collections.abc import Sequence
from typing import Final

import msgspec

_WIDTHS: Final = (46, 14, 14, 10, 10)
_HEADINGS: Final = ("what", "measured", "floor", "figure", "to reach")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure, what it was measured against, and what it should be."""

    name: str
    measured: float
    unit: str
    floor: float | None = None
    """In the same unit and the same run."""
    figure: float
    """What is judged: the ratio to the floor where there is one, else what was measured."""
    target: float | None = None
    """None: for information."""
    at_least: bool = False
    """Whether the target is a least figure; else it is a greatest."""

    @property
    def reached(self) -> bool | None:
        """None where there is nothing to reach."""
        if self.target is None:
            return None
        return self.figure >= self.target if self.at_least else self.figure <= self.target


def against(name: str, measured: float, floor: float, unit: str, target: float | None) -> Row:
    """A cost, as a multiple of its floor's."""
    return Row(name=name, measured=measured, floor=floor, unit=unit, figure=measured / floor, target=target)


def alone(name: str, measured: float, unit: str, target: float | None = None, *, at_least: bool = False) -> Row:
    """A figure without a floor."""
    return Row(name=name, measured=measured, unit=unit, figure=measured, target=target, at_least=at_least)


def heading() -> str:
    """The table's first lines."""
    return _line(_HEADINGS) + "\n" + "-" * (sum(_WIDTHS) + 5)


def line(row: Row) -> str:
    """One row as text."""
    goal = ""
    if row.target is not None:
        goal = f"{'>=' if row.at_least else '<='} {row.target:g}"
    words = {True: "  reached", False: "  NOT REACHED", None: ""}[row.reached]
    floor = "" if row.floor is None else f"{_number(row.floor)} {row.unit}"
    return _line((row.name, f"{_number(row.measured)} {row.unit}", floor, _number(row.figure), goal)) + words


def as_json(rows: Sequence[Row]) -> bytes:
    """All rows, each with whether its target is reached."""
    found = [{**msgspec.structs.asdict(row), "reached": row.reached} for row in rows]
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, _WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f" {cell:>{width}}" for cell, width in others)


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
