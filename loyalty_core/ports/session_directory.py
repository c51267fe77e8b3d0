from datetime import datetime
from typing import Protocol

import msgspec

from loyalty_core.domain.identifiers import ChannelId, ClientId, SessionId, TransactionId
from loyalty_core.domain.session import Session, SessionStatus


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a session's timeline: what changed, why, in which trace, when."""

    version: int
    before: SessionStatus | None
    after: SessionStatus
    cause: str
    detail: str | None
    trace_id: str | None
    at: datetime


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a client's sessions are wanted; they come by the time they were closed, then by id."""

    client: ClientId
    channels: tuple[str, ...]
    """As in `Caller.channels`."""
    statuses: tuple[SessionStatus, ...] = ()
    """Terminal ones; none at all means every terminal status."""
    settled_since: datetime | None = None
    after: tuple[datetime, SessionId] | None = None
    """Where the page before ended: the closing time and id of its last session."""
    limit: int = 100


class SessionDirectory(Protocol):
    """Looking sessions up, for people and for a client's own bookkeeping. Reads only; all of them are bounded.

    Every method may raise `StorageUnavailable` and `Overloaded`.
    """

    async def parked(self, limit: int) -> tuple[Session, ...]:
        """Sessions with a delivery that waits for an operator, the longest parked first."""
        ...

    async def owed(self, limit: int) -> tuple[Session, ...]:
        """Sessions with a delivery that is in the workers' hands, the oldest intent first."""
        ...

    async def by_transaction(self, channel: ChannelId, transaction: TransactionId) -> tuple[Session, ...]:
        """All sessions that ever had the key, cancelled, expired and archived ones too, newest first; at most 100."""
        ...

    async def timeline(self, session_id: SessionId) -> tuple[TimelineEntry, ...]:
        """Every change of the session, oldest first."""
        ...

    async def closed(self, query: SessionQuery) -> tuple[Session, ...]:
        """A page of a client's sessions that are in a terminal state."""
        ...
