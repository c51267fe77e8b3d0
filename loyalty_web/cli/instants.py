from datetime import datetime
from typing import Any

import click
from typing_extensions import override


class Instant(click.ParamType[datetime]):
    """A moment that is the same everywhere: one without its offset is asked for it."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is no time; write one such as 2026-11-23T09:00:00-05:00.", param, ctx)
        if at.utcoffset() is None:
            self.fail(f"{value} has no offset; write Z, or one such as -05:00.", param, ctx)
        return at
