from datetime import datetime

from loyalty_core.ports.observer import Observer
from loyalty_core.ports.session_sweep import SessionSweep
from loyalty_core.use_cases.jobs import Batch, JobName


class ExpireSessions:
    """The job that retires sessions whose time ran out: failed, soft-deleted, their keys given back.

    Calls judge expiry themselves, so nothing waits for this job; it keeps the table of live sessions true and small.
    """

    name = JobName.EXPIRE_SESSIONS

    def __init__(self, sweep: SessionSweep, observer: Observer) -> None:
        self._sweep = sweep
        self._observer = observer

    async def due(self, now: datetime) -> int:
        """See `Job.due`: sessions."""
        return await self._sweep.count_expired(now)

    async def __call__(self, now: datetime, limit: int) -> Batch:
        """See `Job.__call__`. Sessions that expire after `now` are the next run's."""
        expired = await self._sweep.expire(now, limit, self._observer.trace_id())
        return Batch(counts={"expired": expired}, taken=expired, done=expired < limit)
