"""Calls that were counted at Redis before they came, so that most of them need not wait for it."""

from collections import OrderedDict
from typing import Final

from loyalty_core.ports.allowances import Allowance, Grant

GOOD_FOR: Final = 0.05
"""Seconds after which calls that have not come by then are lost: so late at most is a call granted that was counted."""
_HORIZON: Final = 0.8 * GOOD_FOR
"""Seconds whose calls are counted ahead: less than they are good for, so that hardly one is lost of a steady stream."""
_MOST: Final = 64
_REMEMBERED: Final = 4096
"""Names whose calls are known; the one that was asked about longest ago is forgotten."""


class _Stock:
    """What one name has left, and how many of its calls have come since it was counted last."""

    __slots__ = ("allowance", "came", "left", "remaining", "since", "until", "whole_after")

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.left = 0
        self.until = 0.0
        self.since = 0.0
        self.came = 0
        self.remaining = 0
        self.whole_after = 0.0


class CountedAhead:
    """As many calls of each name as are about to come, going by those that have. All times are of one clock, seconds.

    What is counted ahead is counted: no call too many is ever granted, by however many processes. What it can cost is
    a call too few, so the fewer are left, the fewer are counted ahead, and of the last ones none.
    """

    def __init__(self) -> None:
        self._stocks: OrderedDict[str, _Stock] = OrderedDict()

    def take(self, name: str, allowance: Allowance, now: float) -> Grant | None:
        """A grant of what was counted, or None where Redis has to be asked."""
        stock = self._stocks.get(name)
        if stock is None:
            return None
        stock.came += 1
        if not stock.left or now >= stock.until or stock.allowance != allowance:
            return None
        stock.left -= 1
        return Grant(True, stock.remaining + stock.left, 0.0, stock.whole_after)

    def wanted(self, name: str, now: float) -> int:
        """How many more calls to count than those that are waiting."""
        stock = self._stocks.get(name)
        if stock is None or now <= stock.since:
            return 0
        return min(_MOST, int(stock.came * _HORIZON / (now - stock.since)))

    def put(self, name: str, allowance: Allowance, count: int, now: float, remaining: int, whole_after: float) -> None:
        """`count` calls were counted ahead; `remaining` are left at Redis beside them."""
        stock = self._stocks.get(name)
        if stock is None or stock.allowance != allowance:
            stock = self._stocks[name] = _Stock(allowance)
            if len(self._stocks) > _REMEMBERED:
                self._stocks.popitem(last=False)
        self._stocks.move_to_end(name)
        stock.left, stock.until = count, now + GOOD_FOR
        stock.since, stock.came = now, 0
        stock.remaining, stock.whole_after = remaining, whole_after
