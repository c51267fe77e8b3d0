"""What goes on in the background of every process so that it can be watched."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.delivery_queue import DeliveryQueue, QueueDepth
from loyalty_web.health import HealthMonitor

_SHARE: Final = 50
"""Between two counts passes at least as many times as long as one takes: a long queue takes long to count, and that
must not become its burden."""

_log = structlog.get_logger(context="Vitals")


class QueueWatch:
    """Counts what is owed to PDI, about `every` seconds."""

    def __init__(
        self,
        queue: DeliveryQueue,
        clock: Clock,
        on_depth: Callable[[QueueDepth, datetime], None],
        every: float,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._on_depth = on_depth
        self._every = every

    async def run(self) -> None:
        """Count, again and again, until cancelled."""
        while True:
            began = time.perf_counter()
            try:
                self._on_depth(await self._queue.depth(), self._clock.now())
            except LoyaltyError as error:  # storage is away, which the monitor tells; the figures stay what they were
                _log.debug("The queue could not be counted", code=error.code)
            except Exception as error:  # noqa: BLE001 - a fault here must not end the counting
                _log.error("The queue could not be counted", error=type(error).__name__)
            await asyncio.sleep(max(self._every, _SHARE * (time.perf_counter() - began)))


@asynccontextmanager
async def watched(monitor: HealthMonitor, queue: QueueWatch) -> AsyncIterator[None]:
    """Both go on for as long as the block runs; it begins once the dependencies were looked at."""
    await monitor.look()
    tasks = [
        asyncio.create_task(monitor.run(), name="health monitor"),
        asyncio.create_task(queue.run(), name="queue watch"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
