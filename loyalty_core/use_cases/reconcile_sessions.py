import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.reconciliation import Judged, Place, Reconciliation, Standing
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.enquiries import Enquiries, EnquiryPolicy
from loyalty_core.use_cases.jobs import Batch, JobName
from loyalty_core.use_cases.session_comparison import SessionComparison, Verdict

_DAY: Final = timedelta(days=1)
_FIRST: Final = SessionId(UUID(int=0))
_LARGEST: Final = 256
"""Sessions in one batch, at most: what is asked again where a run is killed."""


class ReconcileSessions:
    """The job that compares sessions with the host's books, and settles what turns out to be booked.

    Each run walks the steps of all sessions (see `Reconciliation`) from where the last one ended to yesterday's end in
    UTC: however many days that is, and from the oldest at first. Then it looks once more at what was left open before:
    at open findings, which may have healed, and at what is still owed. Counted in sessions.
    """

    name: Final = JobName.RECONCILE

    def __init__(
        self,
        ports: Ports,
        work: Reconciliation,
        *,
        comparison: SessionComparison,
        budgets: Budgets,
        policy: EnquiryPolicy,
    ) -> None:
        self._host = ports.host
        self._clock = ports.clock
        self._observer = ports.observer
        self._work = work
        self._comparison = comparison
        self._budgets = budgets
        self._policy = policy

    async def due(self, now: datetime) -> int:
        """See `Job.due`."""
        standing, end = await self._work.standing(), _yesterdays_end(now)
        left_open = await self._work.count_left_open(end - _DAY, now)
        if standing.rechecking == end:
            return left_open
        return left_open + await self._work.count_steps(standing.compared, await self._until(end))

    async def __call__(self, now: datetime, limit: int) -> Batch:
        """See `Job.__call__`.

        Raises:
            HostStaysAway: nothing of this batch was recorded; the next run goes on from the one before it.
            StorageUnavailable, Overloaded: the same.
        """
        standing, end, limit = await self._work.standing(), _yesterdays_end(now), min(limit, _LARGEST)
        if standing.rechecking == end:
            return await self._look_again(standing, end, now, limit)
        return await self._walk(standing, end, limit)

    async def _walk(self, standing: Standing, end: datetime, limit: int) -> Batch:
        until = await self._until(end)
        page = await self._work.steps(standing.compared, until, limit)
        verdicts = await self._compare(step.loaded for step in page.steps)
        days = {step.loaded.session.id: step.place.at.astimezone(UTC).date() for step in page.steps}
        compared, rechecking = page.last or standing.compared, None
        if page.is_last:
            compared, rechecking = _later(compared, Place(until, _FIRST)), end
        return await self._note(verdicts, days, Standing(compared=compared, rechecking=rechecking), done=False)

    async def _look_again(self, standing: Standing, end: datetime, now: datetime, limit: int) -> Batch:
        """What no step may bring up again. What this very run has found it does not look at twice."""
        page = await self._work.left_open(standing.rechecked, end - _DAY, now, limit)
        verdicts = await self._compare(page)
        days = dict.fromkeys((loaded.session.id for loaded in page), (end - _DAY).date())
        if done := len(page) < limit:
            after = Standing(compared=standing.compared)
        else:
            after = msgspec.structs.replace(standing, rechecked=page[-1].session.id)
        return await self._note(verdicts, days, after, done=done)

    async def _until(self, end: datetime) -> datetime:
        return min(end, await self._work.horizon())

    async def _compare(self, sessions: Iterable[Loaded]) -> list[Verdict]:
        """All of them, a few at a time; the first error ends it."""
        enquiries = Enquiries(self._host, self._clock, self._policy, self._budgets.status)
        waiting, verdicts = iter(sessions), list[Verdict]()

        async def work() -> None:
            for loaded in waiting:
                verdicts.append(await self._comparison(loaded, enquiries))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._policy.in_flight):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return verdicts

    async def _note(
        self, verdicts: list[Verdict], days: dict[SessionId, date], standing: Standing, *, done: bool
    ) -> Batch:
        judged = tuple(
            Judged(
                session=verdict.session,
                day=days[verdict.session],
                differences=verdict.differences,
                resolves=verdict.resolves,
            )
            for verdict in sorted(verdicts, key=lambda verdict: verdict.session)
            if verdict.differences is not None
        )
        noted = await self._work.note(judged, standing)
        for session, kind in noted.opened:
            self._observer.difference_found(session, kind)
        counts = {
            "compared": sum(verdict.answered for verdict in verdicts),
            "settled": sum(verdict.settled for verdict in verdicts),
            "found": len(noted.opened),
            "resolved": noted.resolved,
            "unanswered": sum(not verdict.answered for verdict in verdicts),
        }
        return Batch(counts=counts, taken=len(verdicts), done=done)


def _yesterdays_end(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _later(one: Place | None, other: Place) -> Place:
    return other if one is None or (one.at, one.session) < (other.at, other.session) else one
