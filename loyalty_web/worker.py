"""The worker: round after round of deliveries, until it is asked to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_web.container import Container, running

_AGAIN: Final = 1.0
"""Seconds to the next look after storage failed."""

_log = structlog.get_logger(context="Worker")


async def deliver_until(asked: asyncio.Event, container: Container) -> None:
    """Deliver until `asked` is set; a round that is under way is finished."""
    async with running(container):
        deliver = container.deliver_pending()
        queue, programs = container.delivery_queue(), container.programs()
        while not asked.is_set():
            try:
                with programs.held():
                    pause = (await deliver()).pause
            except LoyaltyError as error:
                _log.warning("Deliveries could not be claimed", code=error.code)
                pause = _AGAIN
            if pause > 0:
                await _rest(asked, queue.wait(pause))


async def _rest(asked: asyncio.Event, pause: Coroutine[None, None, None]) -> None:
    """Until the pause is over, or the end has come."""
    tasks = {asyncio.ensure_future(pause), asyncio.ensure_future(asked.wait())}
    _, idle = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in idle:
        task.cancel()
    await asyncio.gather(*idle, return_exceptions=True)
