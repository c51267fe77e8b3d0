"""One return of a finalized sale: what was given back, its own intent and delivery, and what the host made of it."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.return_request import ReturnedShare
from loyalty_core.domain.returns import ReturnFigures

SALE_NOT_BOOKED: Final = "sale_not_booked"
"""The failure of a return whose sale was refused, cancelled or taken back."""


class ReturnStatus(StrEnum):
    """Where a return stands."""

    ACCEPTED = "accepted"
    """On record, and owed to the host."""
    RETURNED = "returned"
    REJECTED = "rejected"
    """The host refused it after it had been queued."""
    VOID = "void"
    """The sale it was queued behind was never booked."""


class ReturnedSoFar(msgspec.Struct, frozen=True, kw_only=True):
    """What a POS was told of a return."""

    figures: ReturnFigures
    remaining_points: int
    """Earned points left of the sale."""
    session_status: str


class PurchaseReturn(msgspec.Struct, frozen=True, kw_only=True):
    """One return within its session. Points are whole points."""

    id: ReturnId
    fingerprint: str
    share: ReturnedShare
    """What it takes of each line; counts against later returns while it is accepted or returned."""
    delivery: Delivery
    created_at: datetime
    status: ReturnStatus = ReturnStatus.ACCEPTED
    figures: ReturnFigures | None = None
    """Frozen at the first send, replaced by what the host booked. None before: a 202's figure is provisional."""
    answered: ReturnedSoFar | None = None
    """What the POS was last told of it, kept so that replays say the same."""
    settled_at: datetime | None = None
    failure: str | None = None
    origin: str | None = None
    """The work that made it, as the observer names it."""

    @property
    def stands(self) -> bool:
        """Whether what it takes of the sale is taken."""
        return self.status in {ReturnStatus.ACCEPTED, ReturnStatus.RETURNED}

    @property
    def is_promised(self) -> bool:
        """Whether a POS was answered that it settles later."""
        return self.delivery.accepted_at is not None

    @property
    def is_owed(self) -> bool:
        """Whether the host has yet to book it."""
        return self.status is ReturnStatus.ACCEPTED

    def void(self, now: datetime) -> "PurchaseReturn":
        """The sale it was queued behind was never booked, so nothing is owed."""
        return msgspec.structs.replace(
            self, status=ReturnStatus.VOID, delivery=self.delivery.settle(), settled_at=now, failure=SALE_NOT_BOOKED
        )
