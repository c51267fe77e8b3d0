from datetime import datetime, timedelta
from typing import Final

from loyalty_core.ports.session_archive import SessionArchive
from loyalty_core.use_cases.jobs import Batch, JobName

KEPT_LIVE: Final = timedelta(days=30)
"""How long an ended session stays among the live ones, unless an operator decides otherwise."""


class ArchiveSessions:
    """The job that moves sessions which ended long ago out of the way of the live ones. Counted in sessions."""

    name: Final = JobName.ARCHIVE_FINALIZED

    def __init__(self, archive: SessionArchive, kept_live: timedelta = KEPT_LIVE) -> None:
        self._archive = archive
        self._kept_live = kept_live
        self._run: datetime | None = None
        self._after: datetime | None = None

    async def due(self, now: datetime) -> int:
        """See `Job.due`."""
        return await self._archive.due(now - self._kept_live)

    async def __call__(self, now: datetime, limit: int) -> Batch:
        """See `Job.__call__`. The batches of a run, told by its `now`, follow one another."""
        if now != self._run:
            self._run, self._after = now, None
        moved = await self._archive.move(now - self._kept_live, limit, self._after)
        self._after = moved.last
        return Batch(
            counts={
                "archived": moved.sessions,
                "events": moved.events,
                "returns": moved.returns,
                "held_back": moved.held_back,
            },
            taken=moved.seen,
            done=moved.seen < limit,
        )
