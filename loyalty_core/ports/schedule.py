from datetime import datetime
from typing import Protocol


class Schedule(Protocol):
    """When a job is due. Ticks are whole seconds, aware UTC."""

    def last(self, now: datetime) -> datetime | None:
        """The latest tick at or before `now`; None where there was none in living memory."""
        ...

    def next(self, now: datetime) -> datetime | None:
        """The first tick after `now`; None where there will be none."""
        ...

    def count(self, after: datetime, until: datetime) -> int:
        """How many ticks there were after the one and up to and with the other; counting may stop at a thousand."""
        ...
