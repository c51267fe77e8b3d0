from datetime import datetime

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.session_archive import Archived


class MemorySessionArchive:
    """The `SessionArchive` port over the sessions of a `MemorySessions`. It has no months, and so holds none back."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def due(self, before: datetime) -> int:
        """See `SessionArchive.due`."""
        return len(self._due(before))

    async def move(self, before: datetime, limit: int, after: datetime | None = None) -> Archived:
        """See `SessionArchive.move`."""
        due = [(closed_at, session) for closed_at, session in self._due(before) if after is None or closed_at >= after]
        batch = due[:limit]
        for _, session in batch:
            self._sessions.put_away(session.id)
        return Archived(
            seen=len(batch),
            sessions=len(batch),
            events=sum(len(self._sessions.entries(session.id)) for _, session in batch),
            returns=sum(len(session.returns) for _, session in batch),
            last=batch[-1][0] if batch else after,
        )

    def _due(self, before: datetime) -> list[tuple[datetime, Session]]:
        """What could be moved, the longest closed first."""
        due = [
            (session.closed_at, session)
            for session in self._sessions.all()
            if session.closed_at is not None
            and session.closed_at < before
            and first_owed(session) is None
            and not self._sessions.is_archived(session.id)
        ]
        return sorted(due, key=lambda entry: (entry[0], entry[1].id))
