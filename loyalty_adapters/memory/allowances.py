from collections import OrderedDict
from typing import Final

from loyalty_core.ports.allowances import Allowance, Grant, draw
from loyalty_core.ports.clock import Clock

REMEMBERED: Final = 16_384
"""Names that are counted at once; the one not asked for longest is forgotten, and has its whole allowance again."""


class MemoryAllowances:
    """`Allowances` of one process; nothing in it awaits, so each request is judged whole."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, name: str, allowance: Allowance) -> Grant:
        """See `Allowances.take`. Never away."""
        now = self._clock.monotonic()
        grant, self._whole_at[name] = draw(self._whole_at.get(name, now), now, allowance)
        self._whole_at.move_to_end(name)
        if len(self._whole_at) > REMEMBERED:
            self._whole_at.popitem(last=False)
        return grant
