from math import floor
from typing import Final, NamedTuple, Protocol

import msgspec

_ROUNDING: Final = 1e-6
"""Of a call: what floating point may lose of a whole one."""


class Allowance(msgspec.Struct, frozen=True):
    """How often something may be done: `per_second` in the long run, and up to `burst` times at once."""

    per_second: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds in which one more call is granted."""
        return 1 / self.per_second

    @property
    def window(self) -> float:
        """Seconds in which an allowance that was used up is whole again."""
        return self.burst / self.per_second


class Grant(NamedTuple):
    """What became of one request for a call."""

    granted: bool
    remaining: int
    """Calls that would be granted now."""
    wait: float
    """Seconds until a call can be granted; 0 where one can be now. Nothing shortens it."""
    whole_after: float
    """Seconds until the whole burst is there again, if nothing is done meanwhile."""


class AllowancesAway(Exception):
    """Whoever counts cannot be asked now; nothing was counted that anybody was told of."""


class Allowances(Protocol):
    """Counts calls against allowances, exactly: however many ask at the same time, no call too many is granted."""

    async def take(self, name: str, allowance: Allowance) -> Grant:
        """Ask for one call of what `name` may do. A refusal costs nothing of the allowance.

        Raises:
            AllowancesAway: see there.
        """
        ...


def draw(whole_at: float, now: float, allowance: Allowance) -> tuple[Grant, float]:
    """What a request at `now` is granted (seconds), and when the allowance is whole again after it.

    The generic cell rate algorithm: one number per name, the time at which everything granted will have been earned.
    One that lies farther ahead than any burst can have put it comes from a clock that was set back, and is cut off.
    """
    whole_at = min(max(whole_at, now), now + allowance.window)
    free = floor((now + allowance.window - whole_at) / allowance.interval + _ROUNDING)
    granted = free > 0
    if granted:
        whole_at += allowance.interval
        free -= 1
    wait = 0.0 if free > 0 else whole_at + allowance.interval - allowance.window - now
    return Grant(granted, free, wait, whole_at - now), whole_at
