"""A difference between what we say of a session and what the host's books say of it."""

from enum import StrEnum
from typing import Final

import msgspec

from loyalty_core.domain.host_books import HostCommit, signless
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.session import Cause, Session

TOUCHES_THE_BOOKS: Final = frozenset(
    {
        Cause.FINALIZE_INTENDED,
        Cause.HOST_ACCEPTED,
        Cause.HOST_REJECTED,
        Cause.HOST_REFUSED_US,
        Cause.REDEMPTION_UNSENT,
        Cause.PARKED,
        Cause.ABANDONED_BY_OPERATOR,
        Cause.RETURN_INTENDED,
        Cause.RETURN_SETTLED,
        Cause.RETURN_REJECTED,
    }
)
"""The changes after which a session has to be compared with the host, for the first time or once more: something was
intended, or what was intended came to an end. The index that reconciliation walks along is built on these."""

SALE: Final = "sale"
"""The `item` of a difference that concerns the sale itself."""


class DifferenceKind(StrEnum):
    """What is different."""

    MISSING_AT_HOST = "missing_at_host"
    """We say that the sale is booked, and the host shows no commit of it. What it does not show may still be there."""
    BOOKED_AT_HOST_UNKNOWN_TO_US = "booked_at_host_unknown_to_us"
    """The host has booked a sale that we hold for failed, cancelled, taken back, or made without rewards."""
    DOUBLED = "doubled"
    """The host has booked the sale, or one return, more than once, under whatever keys."""
    POINTS_DIFFER = "points_differ"
    """The host's books hold another figure for the sale than it gave us when it booked it."""
    KEY_DIFFERS = "key_differs"
    """The host has booked the sale once, under a key that is not the intent's: a repeat would book it again."""
    RETURN_MISSING = "return_missing"
    """We say that a return is booked, and the host shows no commit of it."""
    RETURN_UNKNOWN_TO_US = "return_unknown_to_us"
    """The host has booked a return that was refused, taken back, void, or that we never sent."""
    RETURN_POINTS_DIFFER = "return_points_differ"
    """The host's books hold other figures for a return than it gave us when it booked it."""
    STATUS_DIFFERS = "status_differs"
    """The commits agree, and the host's word for the session contradicts ours."""
    SESSION_UNKNOWN_AT_HOST = "session_unknown_at_host"
    """We say that something is booked, and the host does not know its session. That proves neither."""
    BOOKED_OTHERWISE = "booked_otherwise"
    """Our figure counts, and the host booked another when it took the sale."""
    REDEMPTION_REFUSED = "redemption_refused"
    """A redemption was promised to a POS, which may have given the discount, and ended without the points."""
    STILL_OWED = "still_owed"
    """A sale or a return has been owed for longer than it should be."""
    NOT_ANSWERED = "not_answered"
    """The host answered for others and not for this session, however often it was asked."""


TOLD_WITHOUT_A_REPORT: Final = frozenset(
    {
        DifferenceKind.SESSION_UNKNOWN_AT_HOST,
        DifferenceKind.BOOKED_OTHERWISE,
        DifferenceKind.REDEMPTION_REFUSED,
        DifferenceKind.STILL_OWED,
        DifferenceKind.NOT_ANSWERED,
    }
)
"""What can be told of a session that the host does not know, or that we cannot ask about. Of the other kinds nothing
can be said then: one that is on record is neither confirmed nor over."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the two says."""

    status: str | None = None
    """Its word for the session; None where it has none."""
    commits: tuple[HostCommit, ...] = ()
    """What it says is booked, of what the difference is about. Points are never negative here: the kind tells."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on which the two disagree. A session has at most one of each kind for each item."""

    kind: DifferenceKind
    item: str = SALE
    """The sale, ``return <id>``, ``intent <number>`` of one that no longer exists, or ``another key``."""
    ours: Side
    theirs: Side
    note: str | None = None
    """The reason given when it came to be so, or the last error; never personal data."""

    @property
    def key(self) -> tuple[DifferenceKind, str]:
        """What tells it from the session's other differences."""
        return self.kind, self.item


def difference(
    kind: DifferenceKind,
    session: Session,
    *,
    item: str = SALE,
    ours: tuple[HostCommit, ...] = (),
    status: str | None = None,
    theirs: tuple[HostCommit, ...] = (),
) -> Difference:
    """A difference between `session` and the host, whose word for it is `status`."""
    return Difference(
        kind=kind,
        item=item,
        ours=Side(status=session.status.value, commits=ours),
        theirs=Side(status=status, commits=signless(theirs)),
        note=session.failure,
    )


def item_of_return(return_id: ReturnId) -> str:
    """The `item` of a difference that concerns a return."""
    return f"return {return_id}"
