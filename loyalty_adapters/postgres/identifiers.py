import asyncio
import random
from collections import deque
from typing import Final, LiteralString

from uuid_utils.compat import uuid7

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read
from loyalty_core.domain.identifiers import QuoteId, SessionId

# A number drawn and not used is gone for good, so drawing is as harmless to repeat as reading.
_DRAW: Final[LiteralString] = "SELECT nextval('receipt_numbers') FROM generate_series(1, %(count)s::int8)"
_BLOCK: Final = 200
_LOW: Final = 50


class PostgresIdentifierSource:
    """The `IdentifierSource` port: ids of this process, receipt numbers of the database's one sequence.

    Numbers are drawn in blocks, the next block while the last one still serves, so that no finalize waits for one.
    What is left of a block when the process ends is skipped.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._numbers: deque[int] = deque()
        self._drawing: asyncio.Task[None] | None = None

    def session_id(self) -> SessionId:
        """See `IdentifierSource.session_id`."""
        return SessionId(uuid7())

    def quote_id(self) -> QuoteId:
        """See `IdentifierSource.quote_id`."""
        return QuoteId(f"q_{uuid7().hex}")

    async def receipt_number(self) -> int:
        """See `IdentifierSource.receipt_number`."""
        while not self._numbers:
            # Shielded: a caller that gives up must not take the block from those who wait with it.
            await asyncio.shield(self._draw())
        if len(self._numbers) < _LOW:
            _ = self._draw()
        return self._numbers.popleft()

    def jitter(self) -> float:
        """See `IdentifierSource.jitter`."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def _draw(self) -> asyncio.Task[None]:
        """The one draw that is under way."""
        if self._drawing is None or self._drawing.done():
            self._drawing = asyncio.create_task(self._draw_block())
            self._drawing.add_done_callback(_note_end)
        return self._drawing

    async def _draw_block(self) -> None:
        rows = await read(self._connections.outcome, _DRAW, {"count": _BLOCK})
        self._numbers.extend(number for (number,) in rows)


def _note_end(draw: asyncio.Task[None]) -> None:
    """A failed draw that nobody waits for is no error yet: the next caller draws again, and is told if that fails."""
    if not draw.cancelled():
        draw.exception()
