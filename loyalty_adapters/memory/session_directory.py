from datetime import datetime
from uuid import UUID

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ChannelId, SessionId, TransactionId
from loyalty_core.domain.session import TERMINAL, Session
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.session_directory import SessionQuery, TimelineEntry

_MOST: int = 100


class MemorySessionDirectory:
    """The `SessionDirectory` port over the sessions of a `MemorySessions`."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def parked(self, limit: int) -> tuple[Session, ...]:
        """See `SessionDirectory.parked`."""
        parked = [
            (delivery.parked_at, session.id, session)
            for session, delivery in self._deliveries()
            if delivery.parked_at is not None
        ]
        return tuple(session for *_, session in sorted(parked, key=lambda entry: entry[:2])[:limit])

    async def owed(self, limit: int) -> tuple[Session, ...]:
        """See `SessionDirectory.owed`."""
        waiting = [
            (delivery.begun_at, session.id, session)
            for session, delivery in self._deliveries()
            if delivery.parked_at is None
        ]
        return tuple(session for *_, session in sorted(waiting, key=lambda entry: entry[:2])[:limit])

    async def by_transaction(self, channel: ChannelId, transaction: TransactionId) -> tuple[Session, ...]:
        """See `SessionDirectory.by_transaction`."""
        found = [
            session
            for session in self._sessions.all()
            if (session.channel, session.transaction) == (channel, transaction)
        ]
        newest_first = sorted(found, key=lambda session: (session.created_at, session.id), reverse=True)
        return tuple(newest_first[:_MOST])

    async def timeline(self, session_id: SessionId) -> tuple[TimelineEntry, ...]:
        """See `SessionDirectory.timeline`."""
        return self._sessions.entries(session_id)

    async def closed(self, query: SessionQuery) -> tuple[Session, ...]:
        """See `SessionDirectory.closed`."""
        caller = Caller(query.client, query.channels)
        wanted = query.statuses or TERMINAL
        found: list[tuple[datetime, UUID, Session]] = [
            (session.closed_at, session.id, session)
            for session in self._sessions.all()
            if session.closed_at is not None
            and session.status in wanted
            and caller.may_see(session.client, session.channel)
            and (query.settled_since is None or session.closed_at >= query.settled_since)
            and (query.after is None or (session.closed_at, session.id) > query.after)
        ]
        return tuple(session for *_, session in sorted(found, key=lambda entry: entry[:2])[: query.limit])

    def _deliveries(self) -> list[tuple[Session, Delivery]]:
        """What is owed first, of each session that owes something."""
        firsts = [(session, first_owed(session)) for session in self._sessions.all()]
        return [(session, first[1]) for session, first in firsts if first is not None]
