"""The two clocks of these tests: one that runs, one that is moved."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from loyalty_core.ports.clock import Clock


class RunningClock(Clock):
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock(Clock):
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def move(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime(2025, 3, 16, 14, 30, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)
