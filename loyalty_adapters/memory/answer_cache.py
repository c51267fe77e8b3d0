from typing import Final

from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.unit_of_work import Call

_KEPT: Final = 600.0  # seconds


class MemoryAnswerCache:
    """The `AnswerCache` port in memory. `away = True` makes it behave like a cache that cannot be reached."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self._clock = clock
        self._answers: dict[tuple[Call, SessionId, str], tuple[float, CachedAnswer]] = {}

    async def get(self, call: Call, session_id: SessionId, *, item: str = "") -> CachedAnswer | None:
        """See `AnswerCache.get`."""
        held = self._answers.get((call, session_id, item))
        if held is None or self.away or self._clock.monotonic() >= held[0]:
            return None
        return held[1]

    async def put(self, call: Call, session_id: SessionId, answer: CachedAnswer, *, item: str = "") -> None:
        """See `AnswerCache.put`."""
        if not self.away:
            self._answers[call, session_id, item] = self._clock.monotonic() + _KEPT, answer

    def clear(self) -> None:
        """Forget everything, as a flushed cache does."""
        self._answers.clear()
