"""Sessions in every situation that a transition tells apart, built field by field, not by the code under test."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    QuoteId,
    ReceiptId,
    SessionId,
    TransactionId,
)
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.session import FinalizeIntent, HostReceipt, Opening, Session, SessionStatus
from loyalty_core.domain.session_quote import SessionQuote

NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""The moment at which every transition is tried."""
LEASE: Final = NOW + timedelta(seconds=12)
LATER: Final = NOW + timedelta(seconds=40)
CHANNEL: Final = ChannelId("POS-001")
CUSTOMER: Final = CustomerId("CUST-1")


def a_quote(amount: str = "150.00", *, redeem_points: int = 0, tier: str | None = "Gold") -> SessionQuote:
    """What the built-in program makes of a basket without lines."""
    basket = Basket(amount=Decimal(amount), lines=(), channel=CHANNEL, redeem_points=redeem_points)
    ours = calculate(built_in_program(), basket, Member(CUSTOMER, tier), NOW)
    return SessionQuote(id=QuoteId("q-1"), basket=basket, tier=tier, ours=ours)


EMPTY: Final = a_quote("0")
QUOTE: Final = a_quote()


def an_intent(*, resumes: SessionStatus = SessionStatus.CALCULATED, redeem_points: int = 0) -> FinalizeIntent:
    quote = a_quote(redeem_points=redeem_points)
    return FinalizeIntent(
        fingerprint="f" * 64,
        basket=quote.basket,
        apply_rewards=True,
        receipt=ReceiptId("RCP-2026-001"),
        quote=quote,
        resumes=resumes,
    )


def a_delivery(*, unanswered: int = 0, sent: bool = False, claimed: bool = False, attempts: int = 0) -> Delivery:
    return Delivery(
        number=1,
        begun_at=NOW,
        next_attempt_at=LEASE,
        attempts=attempts,
        unanswered=unanswered,
        sent_at=NOW if sent or unanswered else None,
        claimed_until=LEASE if claimed else None,
    )


ACTIVE: Final = Session(
    id=SessionId(UUID(int=1)),
    client=ClientId("acme"),
    channel=CHANNEL,
    transaction=TransactionId("TX-1"),
    customer=CUSTOMER,
    status=SessionStatus.ACTIVE,
    version=7,
    opening=Opening(fingerprint="a" * 64, name="Ada", points=1200, tier="Gold"),
    tier="Gold",
    created_at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(hours=23),
    host_session=HostSessionId("pdi-1"),
)
CALCULATED: Final = msgspec.structs.replace(ACTIVE, status=SessionStatus.CALCULATED, quote=QUOTE)


def finalizing(delivery: Delivery, intent: FinalizeIntent | None = None) -> Session:
    return msgspec.structs.replace(
        CALCULATED,
        status=SessionStatus.FINALIZING,
        intent=intent or an_intent(),
        delivery=delivery,
        intents=delivery.number,
    )


def _settled(status: SessionStatus) -> Session:
    return msgspec.structs.replace(
        finalizing(a_delivery(sent=True, attempts=1)),
        status=status,
        receipt=HostReceipt(earned_points=450, new_balance=1650),
        finalized_at=NOW,
        closed_at=NOW,
    )


def _expired(session: Session) -> Session:
    # To the microsecond: a session that expires now has expired.
    return msgspec.structs.replace(session, expires_at=NOW)


SITUATIONS: Final[dict[str, Callable[[], Session]]] = {
    "active": lambda: ACTIVE,
    "calculated": lambda: CALCULATED,
    "active, past its time": lambda: _expired(ACTIVE),
    "calculated, past its time": lambda: _expired(CALCULATED),
    "finalizing, unsent": lambda: finalizing(a_delivery()),
    "finalizing, unsent, claimed": lambda: finalizing(a_delivery(claimed=True)),
    "finalizing, unanswered": lambda: finalizing(a_delivery(unanswered=1)),
    "finalizing, all answered": lambda: finalizing(a_delivery(sent=True)),
    "finalizing, promised": lambda: finalizing(msgspec.structs.replace(a_delivery(), accepted_at=NOW)),
    "finalizing, parked": lambda: finalizing(
        msgspec.structs.replace(a_delivery(unanswered=1), parked_at=NOW, next_attempt_at=None)
    ),
    "finalized": lambda: _settled(SessionStatus.FINALIZED),
    "partially returned": lambda: _settled(SessionStatus.PARTIALLY_RETURNED),
    "returned": lambda: _settled(SessionStatus.RETURNED),
    "failed, refused": lambda: msgspec.structs.replace(
        finalizing(a_delivery(sent=True)), status=SessionStatus.FAILED, failure="invalid_customer", closed_at=NOW
    ),
    "failed, expired": lambda: msgspec.structs.replace(
        CALCULATED, status=SessionStatus.FAILED, failure="expired", closed_at=NOW, deleted_at=NOW
    ),
    "cancelled": lambda: msgspec.structs.replace(CALCULATED, status=SessionStatus.CANCELLED, closed_at=NOW),
}
