"""Where a session stands, and what may be asked of it there."""

from enum import StrEnum
from typing import Final


class SessionStatus(StrEnum):
    """Where a session stands."""

    ACTIVE = "active"
    CALCULATED = "calculated"
    FINALIZING = "finalizing"
    FINALIZED = "finalized"
    PARTIALLY_RETURNED = "partially_returned"
    RETURNED = "returned"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({SessionStatus.ACTIVE, SessionStatus.CALCULATED})
"""Nothing is owed yet: the sale may still be quoted, cancelled, finalized, or expire."""

SETTLED = frozenset({SessionStatus.FINALIZED, SessionStatus.PARTIALLY_RETURNED, SessionStatus.RETURNED})
"""The host has booked the sale."""

TERMINAL = SETTLED | {SessionStatus.FAILED, SessionStatus.CANCELLED}
"""Nothing is owed any more."""

EXPIRED: Final = "expired"
"""The failure of a session whose time ran out."""

ALLOWED: Final[dict[SessionStatus, tuple[str, ...]]] = {
    SessionStatus.ACTIVE: ("calculateRewards", "finalize", "cancel"),
    SessionStatus.CALCULATED: ("calculateRewards", "finalize", "cancel"),
    SessionStatus.FINALIZING: ("finalize with the same payload", "return", "getSessionStatus"),
    SessionStatus.FINALIZED: ("return",),
    SessionStatus.PARTIALLY_RETURNED: ("return",),
}
"""The calls that each state takes; one that is missing takes none."""
