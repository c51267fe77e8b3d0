"""What reconciliation works through, and what it has found."""

from datetime import date, datetime
from typing import Protocol

import msgspec

from loyalty_core.domain.difference import Difference, DifferenceKind
from loyalty_core.domain.identifiers import ChannelId, SessionId, TransactionId
from loyalty_core.ports.session_store import Loaded


class Place(msgspec.Struct, frozen=True):
    """A place in the order in which sessions are compared: by the time of a step, then by session."""

    at: datetime
    session: SessionId


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is to be compared, because of what its timeline says at `place`."""

    place: Place
    loaded: Loaded


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """A page of steps."""

    steps: tuple[Step, ...]
    last: Place | None
    """Where it ends; None for a page with nothing on it. A session that is gone for good leaves its place behind."""
    is_last: bool
    """Whether there was nothing after it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far reconciliation has come."""

    compared: Place | None = None
    """Every step up to this place, itself included, has been compared; None where nothing ever was."""
    rechecking: datetime | None = None
    """The end of the days of a run whose steps are through, while it looks once more at what was left open."""
    rechecked: SessionId | None = None
    """How far it has come with that, by session."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was compared, and every difference that there is now."""

    session: SessionId
    day: date
    """The UTC day that a difference found now for the first time counts for."""
    differences: tuple[Difference, ...]
    resolves: frozenset[DifferenceKind] | None = None
    """Of which kinds these are all there are, so that others on record are over. None: of every kind."""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch has changed among the findings."""

    opened: tuple[tuple[SessionId, DifferenceKind], ...]
    """Found now, or again after they had been resolved."""
    resolved: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A difference on record. There is one of each kind, item and session, however often it is met."""

    number: int
    """By which an operator names it."""
    session: SessionId
    channel: ChannelId
    transaction: TransactionId
    day: date
    difference: Difference
    found_at: datetime
    checked_at: datetime
    """When it was last seen to be so, or no longer so."""
    resolved_at: datetime | None = None
    resolution: str | None = None
    """Who closed it and why; None while it is open, and where it was gone when the session was compared again."""


class FindingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings are wanted; they come by day, then by number."""

    day: date | None = None
    open_only: bool = False
    after: tuple[date, int] | None = None
    """Where the page before ended: the day and number of its last finding."""
    limit: int = 1000


class Reconciliation(Protocol):
    """The work of reconciliation, in an order that a killed run goes on in.

    A step is a change of a session that touches the host's books (`TOUCHES_THE_BOOKS`), archived sessions included.
    A session whose books change again after it was compared has a later step, and so comes up again. Every method may
    raise `StorageUnavailable` and `Overloaded`: nothing was done, but for `note`, which may be repeated.
    """

    async def standing(self) -> Standing:
        """How far it has come."""
        ...

    async def horizon(self) -> datetime:
        """A time before which no step can appear any more: none that is now being written carries an earlier one."""
        ...

    async def count_steps(self, after: Place | None, until: datetime) -> int:
        """How many sessions `steps` would give in all."""
        ...

    async def steps(self, after: Place | None, until: datetime, limit: int) -> Steps:
        """The first sessions with a step after a place and before a time, each at its last such step, in order."""
        ...

    async def count_left_open(self, owed_before: datetime, checked_before: datetime) -> int:
        """How many sessions `left_open` would give in all."""
        ...

    async def left_open(
        self, after: SessionId | None, owed_before: datetime, checked_before: datetime, limit: int
    ) -> tuple[Loaded, ...]:
        """The first sessions after one, by id, that no step may bring up again.

        Those with an open finding that was last looked at before a time; and those that have owed the host something,
        waiting or parked, since before a time.
        """
        ...

    async def note(self, judged: tuple[Judged, ...], standing: Standing) -> Noted:
        """Record a batch and how far it has come, both or neither.

        A difference that is on record keeps its number, day and time of finding; one that an operator has closed stays
        closed as long as it is the same. Open findings of a judged session that are not among its differences, and of
        a kind that it `resolves`, are resolved. `compared` never goes back. Done twice, it changes nothing more.
        """
        ...


class Findings(Protocol):
    """Findings, for people. Every method may raise `StorageUnavailable` and `Overloaded`."""

    async def find(self, query: FindingQuery) -> tuple[Finding, ...]:
        """A page of findings."""
        ...

    async def of_session(self, session_id: SessionId) -> tuple[Finding, ...]:
        """All of one session's, oldest first."""
        ...

    async def close(self, number: int, resolution: str) -> Finding | None:
        """Close an open finding by somebody's decision; as it then is, or None where none of that number is open."""
        ...
