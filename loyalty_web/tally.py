"""Calls that were turned away, summed up: a flood of calls must not become one of log."""

from typing import Final

import structlog

from loyalty_core.ports.clock import Clock

_EVERY: Final = 10.0
"""Seconds between two lines of log."""
_NAMED: Final = 5
"""Of those who were turned away most often, in one line."""
_REMEMBERED: Final = 1024

_log = structlog.get_logger(context="TurnedAway")


class Tally:
    """Counts by whom and why, and logs it now and then, beginning with the first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._rest = 0
        self._told_at = clock.monotonic() - _EVERY

    def count(self, who: str) -> None:
        """One call was turned away; `who` names the caller and the reason in a few words, and no secret."""
        if who in self._counts or len(self._counts) < _REMEMBERED:
            self._counts[who] = self._counts.get(who, 0) + 1
        else:
            self._rest += 1
        now = self._clock.monotonic()
        if now - self._told_at >= _EVERY:
            self._told_at = now
            self._tell()

    def _tell(self) -> None:
        most = sorted(self._counts.items(), key=lambda entry: -entry[1])[:_NAMED]
        _log.warning("Calls were turned away", inAll=sum(self._counts.values()) + self._rest, most=dict(most))
        self._counts, self._rest = {}, 0
