"""A session as a row, and back, exactly."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    ReceiptId,
    SessionId,
    TransactionId,
)
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session import FinalizeIntent, HostReceipt, Opening, Session, SessionStatus
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_returns import first_owed


class StoredIntent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A `FinalizeIntent` without what the session's quote already says: most sales commit what was quoted."""

    fingerprint: str
    apply_rewards: bool
    receipt: ReceiptId
    resumes: SessionStatus
    promised_points: int | None = None
    origin: str | None = None
    basket: Basket | None = None
    """None: the basket of the intent's own quote."""
    quote: SessionQuote | None = None
    """None: the session's quote."""


class SessionRow(NamedTuple):
    """The columns of the view `session_rows`, in the order in which every statement here reads them."""

    id: UUID
    client_id: str
    channel_id: str
    transaction_id: str
    customer_id: str
    status: str
    version: int
    opening: bytes
    tier: str | None
    created_at: datetime
    expires_at: datetime
    occurred_at: datetime | None
    metadata: bytes
    host_session: str | None
    quote: bytes | None
    intent: bytes | None
    redeemed_points: int
    points_reversed: int
    points_restored: int
    booked_points: int | None
    new_balance: int | None
    intents: int
    delivery_number: int | None
    begun_at: datetime | None
    next_attempt_at: datetime | None
    attempts: int | None
    unanswered: int | None
    sent_at: datetime | None
    accepted_at: datetime | None
    claimed_until: datetime | None
    last_error: str | None
    parked_at: datetime | None
    finalized_at: datetime | None
    failure: str | None
    deleted_at: datetime | None
    closed_at: datetime | None
    returns: bytes | None
    archived: bool

    def session(self) -> Session:
        """The session, equal to the one that was written."""
        quote = None if self.quote is None else _QUOTE.decode(self.quote)
        receipt = None
        if self.booked_points is not None:
            receipt = HostReceipt(earned_points=self.booked_points, new_balance=self.new_balance)
        return Session(
            id=SessionId(self.id),
            client=ClientId(self.client_id),
            channel=ChannelId(self.channel_id),
            transaction=TransactionId(self.transaction_id),
            customer=CustomerId(self.customer_id),
            status=SessionStatus(self.status),
            version=self.version,
            opening=_OPENING.decode(self.opening),
            tier=self.tier,
            created_at=self.created_at,
            expires_at=self.expires_at,
            occurred_at=self.occurred_at,
            metadata=_METADATA.decode(self.metadata),
            host_session=None if self.host_session is None else HostSessionId(self.host_session),
            quote=quote,
            intents=self.intents,
            intent=None if self.intent is None else _read_intent(self.intent, quote),
            delivery=self._delivery(),
            receipt=receipt,
            finalized_at=self.finalized_at,
            redeemed_points=self.redeemed_points,
            points_reversed=self.points_reversed,
            points_restored=self.points_restored,
            failure=self.failure,
            deleted_at=self.deleted_at,
            closed_at=self.closed_at,
            returns=() if self.returns is None else _RETURNS.decode(self.returns),
        )

    def _delivery(self) -> Delivery | None:
        if self.begun_at is None or self.delivery_number is None or self.attempts is None or self.unanswered is None:
            return None
        return Delivery(
            number=self.delivery_number,
            begun_at=self.begun_at,
            next_attempt_at=self.next_attempt_at,
            attempts=self.attempts,
            unanswered=self.unanswered,
            sent_at=self.sent_at,
            accepted_at=self.accepted_at,
            claimed_until=self.claimed_until,
            last_error=self.last_error,
            parked_at=self.parked_at,
        )


def fixed_columns(session: Session) -> dict[str, Any]:
    """The columns that no transition changes; written with the first version alone."""
    return {
        "client_id": session.client,
        "channel_id": session.channel,
        "transaction_id": session.transaction,
        "customer_id": session.customer,
        "opening": _encode(session.opening),
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "occurred_at": session.occurred_at,
        "metadata": _METADATA_ENCODER.encode(session.metadata).decode(),
    }


def changing_columns(session: Session, before: Session | None) -> dict[str, Any]:
    """The columns that a transition may change. The two large ones are sent only if it did."""
    receipt, delivery = session.receipt, session.delivery
    same_quote = before is not None and session.quote is before.quote
    same_intent = before is not None and session.intent is before.intent and same_quote
    return {
        "id": session.id,
        "status": session.status.value,
        "version": session.version,
        "tier": session.tier,
        "host_session": session.host_session,
        "keeps_quote": same_quote,
        "quote": None if same_quote or session.quote is None else _encode(session.quote),
        "keeps_intent": same_intent,
        "intent": None if same_intent or session.intent is None else _write_intent(session.intent, session.quote),
        "earned_points": session.earned_points,
        "redeemed_points": session.redeemed_points,
        "points_reversed": session.points_reversed,
        "points_restored": session.points_restored,
        "booked_points": None if receipt is None else receipt.earned_points,
        "new_balance": None if receipt is None else receipt.new_balance,
        "intents": session.intents,
        **(_NO_DELIVERY if delivery is None else _delivery_columns(delivery)),
        "finalized_at": session.finalized_at,
        "failure": session.failure,
        "deleted_at": session.deleted_at,
        "closed_at": session.closed_at,
        "return_count": len(session.returns),
        **_owed_columns(session),
    }


def written_returns(session: Session, before: Session) -> str | None:
    """The session's returns as one document, in order; None where the transition did not touch them."""
    return None if session.returns is before.returns else _encode(session.returns)


def _owed_columns(session: Session) -> dict[str, Any]:
    owed = first_owed(session)
    if owed is None:
        return _NOTHING_OWED
    return_id, delivery = owed
    return {
        "owed_return": return_id,
        "owed_since": delivery.begun_at,
        "owed_next_at": delivery.next_attempt_at,
        "owed_claimed_until": delivery.claimed_until,
        "owed_parked_at": delivery.parked_at,
    }


def _delivery_columns(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_number": delivery.number,
        "begun_at": delivery.begun_at,
        "next_attempt_at": delivery.next_attempt_at,
        "attempts": delivery.attempts,
        "unanswered": delivery.unanswered,
        "sent_at": delivery.sent_at,
        "accepted_at": delivery.accepted_at,
        "claimed_until": delivery.claimed_until,
        "last_error": delivery.last_error,
        "parked_at": delivery.parked_at,
    }


def _write_intent(intent: FinalizeIntent, quote: SessionQuote | None) -> str:
    return _encode(
        StoredIntent(
            fingerprint=intent.fingerprint,
            apply_rewards=intent.apply_rewards,
            receipt=intent.receipt,
            resumes=intent.resumes,
            promised_points=intent.promised_points,
            origin=intent.origin,
            basket=None if _spelled_alike(intent.basket, intent.quote.basket) else intent.basket,
            quote=None if _spelled_alike(intent.quote, quote) else intent.quote,
        )
    )


def _read_intent(document: bytes, session_quote: SessionQuote | None) -> FinalizeIntent:
    stored = _INTENT.decode(document)
    quote = session_quote if stored.quote is None else stored.quote
    if quote is None:
        raise ValueError("an intent leaves its quote to a session that has none")
    return FinalizeIntent(
        fingerprint=stored.fingerprint,
        basket=quote.basket if stored.basket is None else stored.basket,
        apply_rewards=stored.apply_rewards,
        receipt=stored.receipt,
        quote=quote,
        resumes=stored.resumes,
        promised_points=stored.promised_points,
        origin=stored.origin,
    )


def _spelled_alike(one: object, other: object) -> bool:
    """Equal down to the spelling of amounts: ``150`` equals ``150.00``, but one must not come back as the other."""
    return one is other or (one == other and _ENCODER.encode(one) == _ENCODER.encode(other))


def _encode(document: object) -> str:
    return _ENCODER.encode(document).decode()


_ENCODER: Final = msgspec.json.Encoder()
# A caller's own numbers stay numbers, so that they read back as the numbers they were.
_METADATA_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_METADATA: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_OPENING: Final = msgspec.json.Decoder(Opening)
_QUOTE: Final = msgspec.json.Decoder(SessionQuote)
_INTENT: Final = msgspec.json.Decoder(StoredIntent)
_RETURNS: Final = msgspec.json.Decoder(tuple[PurchaseReturn, ...])
_NOTHING_OWED: Final = dict.fromkeys(
    ("owed_return", "owed_since", "owed_next_at", "owed_claimed_until", "owed_parked_at")
)
_NO_DELIVERY: Final = {
    "delivery_number": None,
    **dict.fromkeys(field for field in Delivery.__struct_fields__ if field != "number"),
}
