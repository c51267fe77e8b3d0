from datetime import datetime
from typing import Protocol

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.identifiers import ChannelId, CustomerId, SessionId, TransactionId
from loyalty_core.domain.session import Session
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, Lane, UnitOfWork


class StaleSession(LoyaltyError):
    """The session was changed since it was read. Nothing was written; read it again and decide again."""

    def __init__(self) -> None:
        super().__init__("the session was changed since it was read")


class KeyTaken(LoyaltyError):
    """Another session holds the (channel, transaction). Nothing was written; read that one."""

    def __init__(self) -> None:
        super().__init__("another session holds this channel and transaction")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A session as stored, with what a decision about it needs, all of one moment."""

    session: Session
    now: datetime
    """The store's clock at the read: the one clock by which expiry and leases are judged."""
    answers: dict[Call, bytes] = {}
    """Answers of record still kept; one that was cleared is rebuilt from the session."""
    archived: bool = False


class KeyProbe(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a (channel, transaction), if anybody."""

    now: datetime
    holder: Loaded | None = None
    gone: bool = False
    """Whether it was held by an archived session that has been taken out of the archive since: refused for good."""


class SessionStore(Protocol):
    """Sessions, their timelines and answers of record.

    Every method may raise `StorageUnavailable` (nothing was done) and `Overloaded` (no connection within a second;
    nothing was done). Reads take no locks. Driver errors never pass this port.
    """

    async def find(
        self, session_id: SessionId, *, lane: Lane = Lane.INTAKE, seen_by: Caller | None = None
    ) -> Loaded | None:
        """The session, archived ones included, or None. Whoever has an outcome to write reads on its lane too.

        One that `seen_by` may not see is none, and is not found by the same work as one that there is not: nobody
        learns by the clock that a session exists.
        """
        ...

    async def find_by_key(self, channel: ChannelId, transaction: TransactionId) -> KeyProbe:
        """The session that holds the key, archived ones included.

        A session that was cancelled, or expired and was swept before anything was intended, holds nothing. One that
        is past its time and not swept yet is still returned: the caller retires it in its own unit of work.
        """
        ...

    async def commit(self, work: UnitOfWork) -> None:
        """Write the whole unit, durably, or nothing.

        Each change holds its session's row lock and is written only over the version it was made from; rows are
        locked in the order of their ids. Serialization failures and deadlocks are retried here, with jitter, a
        bounded number of times. If the connection breaks around the commit, the store reads its own change back
        under the row's lock until it knows.

        Raises:
            StaleSession: a session has moved on, or is gone.
            KeyTaken: a new session's (channel, transaction) is held by another.
            ConcurrentUpdate: the bounded retries were used up; nothing was written.
            OutcomeUnknown: the connection broke around the commit and storage did not come back in time.
        """
        ...

    async def find_snapshot(self, customer: CustomerId) -> CustomerSnapshot | None:
        """What the host last told us of the customer, or None."""
        ...
