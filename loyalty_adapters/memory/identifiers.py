import itertools
import random
from typing import Final
from uuid import UUID

from loyalty_core.domain.identifiers import QuoteId, SessionId
from loyalty_core.ports.clock import Clock

_COUNTER_BITS: Final = 12


class MemoryIdentifierSource:
    """The `IdentifierSource` port, the same for the same seed and times: what a simulation replays.

    Two sources with different seeds share no session ids; receipt numbers are unique within one source only.
    """

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - replayable on purpose; nothing here is a secret
        self._receipts = itertools.count(1)
        self._last = 0

    def session_id(self) -> SessionId:
        """See `IdentifierSource.session_id`."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        # Time and counter are one number that only grows, so ids of the same millisecond sort too.
        self._last = max(self._last + 1, milliseconds << _COUNTER_BITS)
        time, counter = divmod(self._last, 1 << _COUNTER_BITS)
        return SessionId(UUID(int=time << 80 | 7 << 76 | counter << 64 | 2 << 62 | self._random.getrandbits(62)))

    def quote_id(self) -> QuoteId:
        """See `IdentifierSource.quote_id`."""
        return QuoteId(f"q_{self._random.getrandbits(128):032x}")

    async def receipt_number(self) -> int:
        """See `IdentifierSource.receipt_number`."""
        return next(self._receipts)

    def jitter(self) -> float:
        """See `IdentifierSource.jitter`."""
        return self._random.random()
