import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta


class ManualClock:
    """The `Clock` port for tests: time stands still until `advance` is called.

    Sleepers wake in the order of their times; equal times in the order in which they fell asleep.
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), waking))
        await waking

    def advance(self, seconds: float) -> None:
        """Let time pass at once; everybody whose time has come by then wakes, when the loop gets to it."""
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            self._wake_next()

    def advance_to_next_sleeper(self) -> bool:
        """Let just enough time pass for the next sleeper to wake; False where nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # cancelled in its sleep
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return False
        self._elapsed = max(self._elapsed, self._sleepers[0][0])
        self._wake_next()
        return True

    def _wake_next(self) -> None:
        _, _, waking = heapq.heappop(self._sleepers)
        if not waking.done():
            waking.set_result(None)
