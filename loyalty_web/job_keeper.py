"""The jobs of a worker: each looked after by a task of its own, so that a long run of one holds up no other."""

import asyncio
import random
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.ports.schedule import Schedule
from loyalty_core.use_cases.jobs import Job
from loyalty_core.use_cases.keep_schedule import LONGEST_LOOK, KeepSchedule
from loyalty_core.use_cases.run_job import Portion
from loyalty_web.container import Container
from loyalty_web.pauses import unless_asked

_AGAIN: Final = 2.0
"""Seconds to the next look after storage failed."""
_GRACE: Final = 5.0
"""Seconds that batches under way have to end by themselves before they are dropped."""

_log = structlog.get_logger(context="Jobs")


async def keep_jobs(asked: asyncio.Event, container: Container) -> None:
    """Run each job when its schedule says so, until `asked` is set; what is unfinished is put back for others."""
    settings = container.settings().jobs
    tasks = []
    for name, job in container.jobs().items():
        schedule = settings.schedule(name)
        if schedule is not None:
            keeper = _Keeper(container.keep_schedule(), job, schedule, Portion(batch=settings.batch(name)))
            tasks.append(asyncio.create_task(keeper.keep(asked, settings.jitter), name=f"keeper of {name.value}"))
    await asked.wait()
    if tasks:
        await asyncio.wait(tasks, timeout=_GRACE)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Keeper:
    """Looks after one job."""

    def __init__(self, keep: KeepSchedule, job: Job, schedule: Schedule, portion: Portion) -> None:
        self._keep = keep
        self._job = job
        self._schedule = schedule
        self._portion = portion

    async def keep(self, asked: asyncio.Event, jitter: float) -> None:
        """Look again and again. Workers that were started together do not look together: one is a little earlier."""
        pause = 0.0
        while not asked.is_set():
            await unless_asked(asked, asyncio.sleep(pause + random.uniform(0, jitter)))  # noqa: S311 - guards nothing
            pause = await self._look(asked)

    async def _look(self, asked: asyncio.Event) -> float:
        try:
            return await self._keep(self._job, self._schedule, self._portion, should_stop=asked.is_set)
        except LoyaltyError as error:
            _log.warning("A job's standing could not be read", job=self._job.name.value, code=error.code)
            return _AGAIN
        except Exception as error:  # noqa: BLE001 - a fault here must end neither the job's keeping nor the worker
            _log.error("A job could not be looked after", job=self._job.name.value, error=type(error).__name__)
            return LONGEST_LOOK
