"""What each call answers, in the words and shapes of the published API, and the bytes that go on record.

An answer of record is encoded once and given again byte for byte. Fields are in the order of the published examples.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec

from loyalty_core.domain.identifiers import ReceiptId, TransactionId
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.rewards_spread import ExclusionReason
from loyalty_core.domain.session import SessionStatus

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all answers: camelCase JSON, points as integers, amounts and ratios as exact JSON numbers."""


AnswerT = TypeVar("AnswerT", bound=Answer)


class Recorded(msgspec.Struct, Generic[AnswerT], frozen=True, kw_only=True):
    """An answer with its bytes; `replayed` when it repeats the answer of an earlier, equal call."""

    answer: AnswerT
    body: bytes
    replayed: bool = False

    def again(self) -> "Recorded[AnswerT]":
        """The same answer, given once more."""
        return msgspec.structs.replace(self, replayed=True)


def encode(answer: Answer) -> bytes:
    """The answer's JSON."""
    return _ENCODER.encode(answer)


def record(answer: AnswerT) -> Recorded[AnswerT]:
    """The answer with its bytes, given for the first time."""
    return Recorded(answer=answer, body=encode(answer))


def recall(answer: AnswerT, stored: bytes | None) -> Recorded[AnswerT]:
    """The answer of record given again: the bytes that were stored, or where they were cleared, made anew."""
    if stored is None:
        return Recorded(answer=answer, body=encode(answer), replayed=True)
    return Recorded(answer=msgspec.json.decode(stored, type=type(answer)), body=stored, replayed=True)


class IdentifyAnswer(Answer, frozen=True, kw_only=True):
    """The session that was opened, and what the POS may show of the customer."""

    session_id: str
    status: SessionStatus
    customer_name: str | None
    current_points: int | None
    tier: str | None
    expires_at: datetime
    version: int
    provisional: bool
    """True where the loyalty host could not be asked: what is shown is the last known, or null."""


class FinalizeAnswer(Answer, frozen=True, kw_only=True):
    """What was booked (`finalized`), or will be (`finalizing`, `provisional`)."""

    session_id: str
    status: SessionStatus
    earned_points: int
    new_balance: int | None
    receipt_id: ReceiptId
    provisional: bool


class ReturnAnswer(Answer, frozen=True, kw_only=True):
    """What a return took back (`returned`), or will (`accepted`; the figures are then provisional)."""

    session_id: str
    return_id: str
    status: ReturnStatus
    points_reversed: int
    points_restored: int
    remaining_points: int
    """Earned points left of the sale."""
    session_status: str


class CancelAnswer(Answer, frozen=True, kw_only=True):
    """The session after the call."""

    session_id: str
    status: SessionStatus
    version: int


class PromotionShare(Answer, frozen=True, kw_only=True):
    """Points that one promotion gave."""

    id: str
    name: str
    points: int


class Breakdown(Answer, frozen=True, kw_only=True):
    """How the points come about."""

    base_points: int
    tier_bonus: int
    promotions: tuple[PromotionShare, ...]


class LineShare(Answer, frozen=True, kw_only=True):
    """One line of the basket: the spend attributed to it, and the points."""

    line: int
    """Position in the basket, from 0."""
    sku: str | None
    spend: Decimal
    discount: Decimal
    """What redeemed points pay of it; it earns nothing."""
    exclusion: ExclusionReason | None
    """Why it earns nothing; null where it is eligible."""
    earned_points: int
    base_points: int
    tier_bonus: int
    promotions: tuple[PromotionShare, ...]
    capped_points: int
    """What the cap on the transaction took."""


class RedemptionShare(Answer, frozen=True, kw_only=True):
    """Points the customer wants to spend and the discount they buy."""

    points: int
    discount: Decimal


class QuoteAnswer(Answer, frozen=True, kw_only=True):
    """The points a basket would earn."""

    earned_points: int
    multiplier: Decimal
    bonus_points: int
    breakdown: Breakdown
    quote_id: str
    program_version: str
    provisional: bool
    version: int
    lines: tuple[LineShare, ...]
    """Our program's explanation. Where the host's figure differs it explains ours, not the host's."""
    redemption: RedemptionShare | None


class DeliveryProgress(Answer, frozen=True, kw_only=True):
    """How far the settlement has come."""

    queued: bool
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None
    parked_at: datetime | None


class ReturnProgress(Answer, frozen=True, kw_only=True):
    """One return, and how far its settlement has come."""

    return_id: str
    status: ReturnStatus
    points_reversed: int | None
    points_restored: int | None
    created_at: datetime
    settled_at: datetime | None
    failure: str | None
    delivery: DeliveryProgress


class StatusAnswer(Answer, frozen=True, kw_only=True):
    """Everything a POS may see of its session."""

    session_id: str
    status: SessionStatus
    version: int
    customer_id: str
    channel_id: str
    transaction_id: TransactionId
    tier: str | None
    earned_points: int
    redeemed_points: int
    points_reversed: int
    points_restored: int
    new_balance: int | None
    receipt_id: ReceiptId | None
    pdi_session_id: str | None
    failure: str | None
    provisional: bool
    created_at: datetime
    expires_at: datetime
    occurred_at: datetime | None
    finalized_at: datetime | None
    metadata: dict[str, Any]
    quote: QuoteAnswer | None
    delivery: DeliveryProgress | None
    returns: tuple[ReturnProgress, ...]
