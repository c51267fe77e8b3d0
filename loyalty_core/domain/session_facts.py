"""What is known of a session, and what can be asked of it."""

from datetime import datetime
from typing import Any

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import IllegalTransition, SessionExpired, SettlementFailed, VersionMismatch
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    SessionId,
    TransactionId,
)
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session_parts import FinalizeIntent, HostReceipt, Opening
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_status import ALLOWED, OPEN, SessionStatus


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One loyalty sale as it stands. Times are aware UTC, points are whole points."""

    id: SessionId
    client: ClientId
    channel: ChannelId
    transaction: TransactionId
    customer: CustomerId
    status: SessionStatus
    version: int
    opening: Opening
    tier: str | None
    """The tier quotes are computed with; learnt late where the session was opened without the host."""
    created_at: datetime
    expires_at: datetime
    occurred_at: datetime | None = None
    """When the sale took place, where the POS uploads it late."""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    host_session: HostSessionId | None = None
    quote: SessionQuote | None = None
    intents: int = 0
    """How many intents this session has had; the last one's number."""
    intent: FinalizeIntent | None = None
    delivery: Delivery | None = None
    receipt: HostReceipt | None = None
    finalized_at: datetime | None = None
    redeemed_points: int = 0
    points_reversed: int = 0
    """Earned points taken back by settled returns."""
    points_restored: int = 0
    """Redeemed points given back by settled returns."""
    returns: tuple[PurchaseReturn, ...] = ()
    """In the order of their intents."""
    failure: str | None = None
    """Why it failed: the host's reason, the operator's, or ``expired``."""
    deleted_at: datetime | None = None
    closed_at: datetime | None = None
    """When it entered the terminal state it is in."""

    # -- what can be asked of it

    @property
    def earned_points(self) -> int:
        """Points earned: as booked by the host, else as intended or quoted, else none."""
        if self.receipt is not None:
            return self.receipt.earned_points
        if self.status in {SessionStatus.FAILED, SessionStatus.CANCELLED}:
            return 0
        if self.intent is not None:
            return self.intent.quote.earned_points if self.intent.apply_rewards else 0
        return 0 if self.quote is None else self.quote.earned_points

    @property
    def holds_its_key(self) -> bool:
        """Whether its (channel, transaction) is taken; a cancelled or unsold expired session has given it back."""
        if self.status is SessionStatus.CANCELLED:
            return False
        return not (self.status is SessionStatus.FAILED and self.intent is None)

    def has_expired(self, now: datetime) -> bool:
        """Whether its time ran out before anything was intended."""
        return self.status in OPEN and now >= self.expires_at

    def is_in_flight(self, now: datetime) -> bool:
        """Whether a live finalize is at work on it and no POS has been promised anything yet."""
        return (
            self.status is SessionStatus.FINALIZING
            and self.delivery is not None
            and self.delivery.accepted_at is None
            and self.delivery.is_claimed(now)
        )

    @property
    def is_promised(self) -> bool:
        """Whether a POS was answered that its finalize settles later."""
        return self.delivery is not None and self.delivery.accepted_at is not None

    def check_version(self, expected: int | None) -> None:
        """Hold the caller to the version it has read.

        Raises:
            VersionMismatch: the session has moved on.
        """
        if expected is not None and expected != self.version:
            raise VersionMismatch(self.version)

    def check_open(self, call: str, now: datetime) -> None:
        """Hold the caller to a session that can still be quoted, finalized or cancelled.

        Raises:
            SessionExpired: its time ran out.
            SettlementFailed: its finalize was refused after it had been queued.
            IllegalTransition: it is in any other state.
        """
        if self.has_expired(now) or (self.status is SessionStatus.FAILED and self.intent is None):
            raise SessionExpired
        if self.status is SessionStatus.FAILED and self.failure is not None:
            raise SettlementFailed(self.failure)
        if self.status not in OPEN:
            raise refusal(self, call)


def refusal(session: SessionFacts, call: str) -> IllegalTransition:
    """The error of a call that the session's state does not allow, with what it does allow."""
    return IllegalTransition(call, session.status.value, ALLOWED.get(session.status, ()))
