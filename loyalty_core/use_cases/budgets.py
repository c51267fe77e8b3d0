"""How long a call may take, and what time it is for the store."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_core.ports.clock import Clock


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that each call may spend on the loyalty host, token refresh and repeat included."""

    identify: float = 5.0
    calculate: float = 8.0
    finalize: float = 10.0
    give_back: float = 10.0
    """For ``/return``."""
    status: float = 3.0
    slack: float = 0.5
    """What our own answer may take beyond the host's time."""


class Deadline:
    """A point in time that everything done for one call has to keep to."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds that remain; never negative."""
        return max(0.0, self._end - self._clock.monotonic())


class StoreTime:
    """The store's clock, carried on from the last read of it: one clock for all replicas."""

    def __init__(self, clock: Clock, now: datetime) -> None:
        self._clock = clock
        self.read: Final = now
        """What it was at that read."""
        self._at = clock.monotonic()

    def now(self) -> datetime:
        """Aware UTC."""
        return self.read + timedelta(seconds=self._clock.monotonic() - self._at)
