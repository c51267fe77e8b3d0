from typing import Final

_SLOTS: Final = 10


class SlidingWindow:
    """Counts of the calls of the last `seconds`, and of the bad ones among them.

    Kept in ten slots, so that its cost and size do not grow with the traffic. What is older than the window is always
    left out; of the oldest tenth, some calls may be left out early.
    """

    __slots__ = ("_bad", "_calls", "_newest", "_width", "bad", "calls")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._calls = [0] * _SLOTS
        self._bad = [0] * _SLOTS
        self._newest = 0
        self.calls = 0
        """Calls in the window, as of the last `record`."""
        self.bad = 0
        """The failed and slow ones of them."""

    def record(self, now: float, *, bad: bool) -> None:
        """Count one call that ended at `now`, a monotonic time that never goes back."""
        tick = int(now / self._width)
        if tick != self._newest:
            self._forget(tick)
        slot = tick % _SLOTS
        self._calls[slot] += 1
        self.calls += 1
        if bad:
            self._bad[slot] += 1
            self.bad += 1

    def clear(self) -> None:
        """Forget everything."""
        self._calls = [0] * _SLOTS
        self._bad = [0] * _SLOTS
        self.calls = self.bad = 0

    def _forget(self, tick: int) -> None:
        for passed in range(max(self._newest + 1, tick - _SLOTS + 1), tick + 1):
            slot = passed % _SLOTS
            self.calls -= self._calls[slot]
            self.bad -= self._bad[slot]
            self._calls[slot] = self._bad[slot] = 0
        self._newest = tick
