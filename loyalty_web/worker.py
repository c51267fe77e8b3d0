"""The worker: round after round of deliveries, and the jobs beside them, until it is asked to stop."""

import asyncio
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_web.container import Container, running
from loyalty_web.job_keeper import keep_jobs
from loyalty_web.pauses import unless_asked

_AGAIN: Final = 1.0
"""Seconds to the next look after storage failed."""

_log = structlog.get_logger(context="Worker")


async def work_until(asked: asyncio.Event, container: Container) -> None:
    """Deliver and run jobs until `asked` is set; a round that is under way is finished, a job's run put back.

    Deliveries wait for no job: jobs have tasks of their own, and do without the connections for outcomes.
    """
    async with running(container), asyncio.TaskGroup() as work:
        _ = work.create_task(_deliver_until(asked, container), name="deliveries")
        if container.settings().jobs.in_worker:
            _ = work.create_task(keep_jobs(asked, container), name="jobs")


async def _deliver_until(asked: asyncio.Event, container: Container) -> None:
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
            await unless_asked(asked, queue.wait(pause))
