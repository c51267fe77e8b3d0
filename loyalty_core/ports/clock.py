from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Expiry is judged by the store's clock, not by this one; this one paces and limits."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; deadlines are points on it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that much time has passed."""
        ...
