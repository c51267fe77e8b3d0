"""What the jobs clear away, in memory: the port's promises over the sessions of a `MemorySessions`."""

from datetime import datetime

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.unit_of_work import SessionChange, UnitOfWork


class MemorySessionSweep:
    """The `SessionSweep` port: each session makes the domain's own transition."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def count_expired(self, before: datetime) -> int:
        """See `SessionSweep.count_expired`."""
        return len(self._expired(before))

    async def expire(self, before: datetime, limit: int, trace_id: str | None) -> int:
        """See `SessionSweep.expire`."""
        now, expired = self._sessions.clock.now(), self._expired(before)[:limit]
        for session in expired:
            change = SessionChange(before=session, after=session.expire(now), cause=Cause.EXPIRED)
            await self._sessions.commit(UnitOfWork(changes=(change,), trace_id=trace_id))
        return len(expired)

    def _expired(self, before: datetime) -> list[Session]:
        moment = min(before, self._sessions.clock.now())
        expired = [session for session in self._sessions.all() if session.has_expired(moment)]
        return sorted(expired, key=lambda session: (session.expires_at, session.id))


class MemoryAnswerRecords:
    """The `AnswerRecords` port."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def count_answers(self, before: datetime) -> int:
        """See `AnswerRecords.count_answers`."""
        return len(self._sessions.answers_before(before))

    async def clear_answers(self, before: datetime, limit: int) -> int:
        """See `AnswerRecords.clear_answers`."""
        cleared = self._sessions.answers_before(before)[:limit]
        for session_id, call in cleared:
            self._sessions.drop_answer(session_id, call)
        return len(cleared)
