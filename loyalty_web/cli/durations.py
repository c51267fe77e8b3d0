"""Spans of time as people write them on a command line."""

import re
from datetime import timedelta
from typing import Any, Final

import click
from typing_extensions import override

_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhd]?)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """`90s`, `30m`, `24h`, `7d`, or `0`."""

    name = "duration"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span, or a message that says how to write one."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is None or (not found["unit"] and int(found["number"])):
            self.fail("must be a number and a unit, such as 90s, 30m, 24h or 7d", param, ctx)
        return timedelta(**{_UNITS[found["unit"] or "s"]: int(found["number"])})
