from collections import OrderedDict
from typing import Final

from loyalty_core.domain.identifiers import SessionId

_REMEMBERED: Final = 10_000
"""Sessions; the one that was left open longest ago is forgotten."""


class LeftOpen:
    """Sessions that this process has quoted and not finalized: their finalize is hardly the repeat of another.

    A hint and no more. It spares a first finalize the look into the mirror of answers; a repeated one that it sends
    past the mirror finds the answer of record where it stands.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[SessionId, None] = OrderedDict()

    def note(self, session: SessionId) -> None:
        """It was quoted just now."""
        self._sessions[session] = None
        if len(self._sessions) > _REMEMBERED:
            self._sessions.popitem(last=False)

    def take(self, session: SessionId) -> bool:
        """Whether it was, and nobody has asked so since."""
        if session not in self._sessions:
            return False
        del self._sessions[session]
        return True
