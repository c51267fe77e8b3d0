"""The session: one loyalty sale from identification to settlement, and every transition it can make.

Each transition is a pure method that returns a new session or raises a named error. `version` counts transitions;
a store writes a session only over the version it was made from.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import IllegalTransition, SessionExpired, SettlementFailed, VersionMismatch
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    ReceiptId,
    SessionId,
    TransactionId,
)
from loyalty_core.domain.member import Member
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session_quote import SessionQuote


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

_ALLOWED: dict[SessionStatus, tuple[str, ...]] = {
    SessionStatus.ACTIVE: ("calculateRewards", "finalize", "cancel"),
    SessionStatus.CALCULATED: ("calculateRewards", "finalize", "cancel"),
    SessionStatus.FINALIZING: ("finalize with the same payload", "return", "getSessionStatus"),
    SessionStatus.FINALIZED: ("return",),
    SessionStatus.PARTIALLY_RETURNED: ("return",),
}


class Cause(StrEnum):
    """Why a session changed; written into its timeline."""

    IDENTIFIED = "identified"
    QUOTED = "quoted"
    EMPTIED = "emptied"
    FINALIZE_INTENDED = "finalize_intended"
    FINALIZED_WITHOUT_REWARDS = "finalized_without_rewards"
    HOST_IDENTIFIED = "host_identified"
    HOST_SESSION_LOST = "host_session_lost"
    ATTEMPT_BEGUN = "attempt_begun"
    HOST_ACCEPTED = "host_accepted"
    HOST_REJECTED = "host_rejected"
    HOST_REFUSED_US = "host_refused_us"
    REDEMPTION_UNSENT = "redemption_unsent"
    DELIVERY_AWAITED = "delivery_awaited"
    PARKED = "parked"
    RETRIED_BY_OPERATOR = "retried_by_operator"
    ABANDONED_BY_OPERATOR = "abandoned_by_operator"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    RETURN_INTENDED = "return_intended"
    RETURN_SETTLED = "return_settled"
    RETURN_REJECTED = "return_rejected"


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What the POS was told at identify; with the session's own fields it rebuilds that answer byte for byte."""

    fingerprint: str
    name: str | None = None
    points: int | None = None
    tier: str | None = None
    provisional: bool = False

    def __repr__(self) -> str:
        return f"Opening(tier={self.tier!r}, provisional={self.provisional})"


class FinalizeIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What a POS asked to commit, written before anything is sent; the body sent to the host is frozen with it."""

    fingerprint: str
    basket: Basket
    apply_rewards: bool
    receipt: ReceiptId
    quote: SessionQuote
    resumes: SessionStatus
    """The state to go back to when the host says no to the live call."""
    promised_points: int | None = None
    """The provisional figure of the 202 a POS was given, kept so that its replays say the same."""
    origin: str | None = None
    """The work that made it, as the observer names it: a delivery long after can be traced back to it."""


class HostReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the host says it booked."""

    earned_points: int
    new_balance: int | None = None
    """The customer's balance after it; None where it was learnt from a status query, which does not tell it."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One loyalty sale. Times are aware UTC, points are whole points."""

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
            raise self._refuse(call)

    # -- before the sale is committed

    def host_identified(self, host_session: HostSessionId, member: Member) -> "Session":
        """The host knows the customer, late: provisional answers end, its tier counts for what is not booked yet."""
        if self.status in SETTLED:
            return self._next(host_session=host_session)
        if self.status not in OPEN | {SessionStatus.FINALIZING}:
            raise self._refuse("identify")
        return self._next(host_session=host_session, tier=member.tier)

    def host_session_lost(self) -> "Session":
        """The host no longer knows its session: it has to identify the customer again before anything is sent."""
        if self.status in {SessionStatus.FAILED, SessionStatus.CANCELLED}:
            raise self._refuse("identify again")
        return self._next(host_session=None)

    def quoted(self, quote: SessionQuote, now: datetime) -> "Session":
        """A basket was quoted; an empty one takes the session back to `active`."""
        self.check_open("calculateRewards", now)
        if quote.basket.is_empty:
            return self._next(status=SessionStatus.ACTIVE, quote=None)
        return self._next(status=SessionStatus.CALCULATED, quote=quote)

    def cancel(self, now: datetime) -> "Session":
        """The POS abandons the sale. Possible until something may have reached the host."""
        if self.status is SessionStatus.FINALIZING:
            delivery = self._finalizing("cancel")
            if not delivery.is_unsent or delivery.is_claimed(now):
                raise self._refuse("cancel")
            settled: Delivery | None = delivery.settle()
        else:
            self.check_open("cancel", now)
            settled = None
        return self._next(status=SessionStatus.CANCELLED, delivery=settled, returns=self._voided(now), closed_at=now)

    def expire(self, now: datetime) -> "Session":
        """Its time ran out before anything was intended."""
        if not self.has_expired(now):
            raise self._refuse("expire")
        return self._next(status=SessionStatus.FAILED, failure=EXPIRED, deleted_at=now, closed_at=now)

    # -- committing the sale

    def begin_finalize(self, intent: FinalizeIntent, delivery: Delivery, now: datetime) -> "Session":
        """The intent is on record; from here on the sale settles exactly once, fails with a reason, or is reverted."""
        self.check_open("finalize", now)
        return self._next(status=SessionStatus.FINALIZING, intent=intent, delivery=delivery, intents=delivery.number)

    def finalize_without_rewards(self, intent: FinalizeIntent, now: datetime) -> "Session":
        """The POS sold without rewards: nothing is owed, so the host is not involved."""
        self.check_open("finalize", now)
        return self._next(
            status=SessionStatus.FINALIZED,
            intent=intent,
            receipt=HostReceipt(earned_points=0, new_balance=None if self.opening.provisional else self.opening.points),
            finalized_at=now,
            closed_at=now,
        )

    def recompute(self, quote: SessionQuote) -> "Session":
        """Other figures for the same intent, possible only while nothing of it has been sent."""
        delivery = self._finalizing("recompute")
        if not delivery.is_unsent or self.intent is None:
            raise self._refuse("recompute")
        return self._next(intent=msgspec.structs.replace(self.intent, quote=quote))

    def attempt(self, delivery: Delivery) -> "Session":
        """The state of the delivery changed, the sale's did not: a send begun or ended, a promise, a lease, parking."""
        self._finalizing("deliver")
        return self._next(delivery=delivery)

    def promise(self, delivery: Delivery, now: datetime) -> "Session":
        """A POS is answered that this settles later. The first promise stands; after it nothing reverts."""
        self._finalizing("promise")
        intent = self.intent
        if intent is not None and intent.promised_points is None:
            intent = msgspec.structs.replace(intent, promised_points=intent.quote.earned_points)
        return self._next(delivery=delivery.accept(now), intent=intent)

    def complete(self, receipt: HostReceipt, now: datetime) -> "Session":
        """The host has booked it."""
        delivery = self._finalizing("complete")
        redeemed = 0 if self.intent is None else self.intent.basket.redeem_points
        return self._next(
            status=SessionStatus.FINALIZED,
            receipt=receipt,
            delivery=delivery.settle(),
            redeemed_points=redeemed,
            finalized_at=now,
            closed_at=now,
        )

    def revert(self, now: datetime) -> "Session":
        """A definite no to the live call before its answer: as if the intent had never been, but for its number.

        Raises:
            IllegalTransition: a POS was promised a settlement, or an attempt is unanswered.
        """
        delivery = self._finalizing("revert")
        if delivery.accepted_at is not None or delivery.unanswered or self.intent is None:
            raise self._refuse("revert")
        return self._next(status=self.intent.resumes, intent=None, delivery=None, returns=self._voided(now))

    def fail(self, reason: str, now: datetime) -> "Session":
        """A definite no to a worker, with no attempt unanswered.

        Raises:
            IllegalTransition: an attempt is unanswered; the host may have committed.
        """
        delivery = self._finalizing("fail")
        if delivery.unanswered:
            raise self._refuse("fail")
        return self._next(
            status=SessionStatus.FAILED,
            failure=reason,
            delivery=delivery.settle(),
            returns=self._voided(now),
            closed_at=now,
        )

    def abandon(self, reason: str, now: datetime) -> "Session":
        """An operator gives up a parked delivery, on record."""
        delivery = self._finalizing("abandon")
        if delivery.parked_at is None:
            raise self._refuse("abandon")
        return self._next(
            status=SessionStatus.FAILED,
            failure=reason,
            delivery=delivery.settle(),
            returns=self._voided(now),
            closed_at=now,
        )

    # -- inside

    def _voided(self, now: datetime) -> tuple[PurchaseReturn, ...]:
        """The returns that were queued behind a sale that is not going to be booked."""
        return tuple(goods.void(now) if goods.is_owed else goods for goods in self.returns)

    def _next(self, **changes: Any) -> "Session":
        return evolve(self, **changes)

    def _refuse(self, call: str) -> IllegalTransition:
        return refusal(self, call)

    def _finalizing(self, call: str) -> Delivery:
        if self.status is not SessionStatus.FINALIZING or self.delivery is None:
            raise self._refuse(call)
        return self.delivery


def evolve(session: Session, **changes: Any) -> Session:
    """The session after one transition: `changes`, and the next version."""
    return msgspec.structs.replace(session, version=session.version + 1, **changes)


def refusal(session: Session, call: str) -> IllegalTransition:
    """The error of a call that the session's state does not allow, with what it does allow."""
    return IllegalTransition(call, session.status.value, _ALLOWED.get(session.status, ()))
