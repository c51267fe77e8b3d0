from typing import Protocol

from loyalty_core.domain.identifiers import QuoteId, SessionId


class IdentifierSource(Protocol):
    """Where new identifiers and randomness come from, so that the core itself has none."""

    def session_id(self) -> SessionId:
        """A new session id; ids sort by the time they were made (UUID version 7)."""
        ...

    def quote_id(self) -> QuoteId:
        """A new quote id."""
        ...

    async def receipt_number(self) -> int:
        """A number no receipt has had. Numbers may be skipped, never repeated, also across processes and restarts.

        Raises:
            StorageUnavailable: numbers are handed out by storage, and it cannot be reached.
        """
        ...

    def jitter(self) -> float:
        """A random number from 0 up to, and without, 1."""
        ...
