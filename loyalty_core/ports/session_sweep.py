from datetime import datetime
from typing import Protocol


class SessionSweep(Protocol):
    """Sessions whose time ran out before anything was intended. Both methods judge that by the store's clock.

    Either may raise `StorageUnavailable` and `Overloaded`: nothing was done, or it was and need not be done again.
    """

    async def count_expired(self, before: datetime) -> int:
        """How many there are whose time ran out by `before`."""
        ...

    async def expire(self, before: datetime, limit: int, trace_id: str | None) -> int:
        """Make the transition `Session.expire` of up to `limit` of them, those that have waited longest first.

        Each gets its next version and a line in its timeline, so that a call that has read it before finds its own
        decision stale. A session that somebody holds is skipped, never waited for. How many it were; fewer than
        `limit` where there are no more.
        """
        ...
