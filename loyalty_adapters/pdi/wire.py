"""PDI's JSON: the bodies that go out, the replies that come in, and which reply belongs to which request.

Amounts go out as JSON numbers with the digits they have, never with an exponent. Replies are decoded strictly; fields
that PDI adds are let pass.
"""

from decimal import Decimal
from typing import Annotated, Final

import msgspec

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import CustomerId, HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    FinalizeOrder,
    HostCommit,
    HostIdentification,
    HostSessionReport,
    ReturnOrder,
)

_encoder: Final = msgspec.json.Encoder()
_MAX_MULTIPLIER: Final = 10**9
_MAX_PLACES: Final = 20

_Points = Annotated[int, msgspec.Meta(ge=0, le=MAX_POINTS)]
_Balance = Annotated[int, msgspec.Meta(ge=-MAX_POINTS, le=MAX_POINTS)]
"""Below zero where points that were spent already have been taken back."""
_Handle = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+\Z")]
_Word = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00]*\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=256, pattern=r"^[^\x00]*\Z")]
"""Without NUL, which no text column can hold."""


class _Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Camel case outside; optional fields that were not given do not go out."""


# -- what goes out


class IdentifyRequest(_Wire, frozen=True, kw_only=True):
    """``POST /identify``."""

    customer_id: str
    channel_id: str
    transaction_id: str


class Item(_Wire, frozen=True, kw_only=True):
    """One basket line."""

    sku: str
    qty: msgspec.Raw
    unit_price: msgspec.Raw | None = None
    category: str | None = None


class CalculateRequest(_Wire, frozen=True, kw_only=True):
    """``POST /calculateRewards``."""

    session_id: str
    transaction_amount: msgspec.Raw
    items: list[Item]
    redeem_points: int = 0


class FinalizeRequest(_Wire, frozen=True, kw_only=True):
    """``POST /finalize``; the `Idempotency-Key` goes in a header."""

    session_id: str
    transaction_id: str
    final_amount: msgspec.Raw
    apply_rewards: bool
    earned_points: int
    redeem_points: int
    items: list[Item]
    program_version: str
    receipt_id: str


class ReturnRequest(_Wire, frozen=True, kw_only=True):
    """``POST /return``; the `Idempotency-Key` goes in a header."""

    session_id: str
    return_id: str
    points_reversed: int
    points_restored: int


class StatusQuery(_Wire, frozen=True, kw_only=True):
    """Goes out in the query string."""

    session_id: str


def encode(request: msgspec.Struct) -> bytes:
    """The request as the bytes of its body."""
    return _encoder.encode(request)


def calculate_request(session: HostSessionId, basket: Basket) -> CalculateRequest:
    """`redeemPoints` goes out only where points are to be redeemed."""
    return CalculateRequest(
        session_id=session,
        transaction_amount=_number(basket.amount),
        items=[_item(line) for line in basket.lines],
        redeem_points=basket.redeem_points,
    )


def finalize_request(order: FinalizeOrder) -> FinalizeRequest:
    """A sale without rewards is never sent, so `applyRewards` is always true."""
    return FinalizeRequest(
        session_id=order.host_session,
        transaction_id=order.transaction,
        final_amount=_number(order.basket.amount),
        apply_rewards=True,
        earned_points=order.earned_points,
        redeem_points=order.basket.redeem_points,
        items=[_item(line) for line in order.basket.lines],
        program_version=order.program_version,
        receipt_id=order.receipt,
    )


def return_request(order: ReturnOrder) -> ReturnRequest:
    """In PDI's words."""
    return ReturnRequest(
        session_id=order.host_session,
        return_id=order.return_id,
        points_reversed=order.points_reversed,
        points_restored=order.points_restored,
    )


def _item(line: BasketLine) -> Item:
    price = line.unit_price
    return Item(
        sku=line.sku,
        qty=_number(line.quantity),
        unit_price=None if price is None else _number(price),
        category=line.category,
    )


def _number(value: Decimal) -> msgspec.Raw:
    return msgspec.Raw(f"{value:f}".encode())


# -- what comes in


class IdentifyReply(_Wire, frozen=True, kw_only=True):
    """The session PDI has opened, and whom it knows the customer as."""

    session_id: _Handle
    status: _Word
    customer_name: _Text | None
    current_points: _Balance
    tier: _Text | None
    customer_id: str | None = None
    transaction_id: str | None = None

    def answers(self, request: IdentifyRequest) -> bool:
        """PDI echoes neither id in its published example; where it does, they are ours."""
        return self.customer_id in {None, request.customer_id} and self.transaction_id in {None, request.transaction_id}

    def identification(self, customer: CustomerId) -> HostIdentification:
        """In domain words."""
        member = Member(customer_id=customer, tier=self.tier, name=self.customer_name, points=self.current_points)
        return HostIdentification(session=HostSessionId(self.session_id), member=member)


class Breakdown(_Wire, frozen=True, kw_only=True):
    """Where the points of a quote come from."""

    base_points: _Points
    tier_bonus: _Points


class Redemption(_Wire, frozen=True, kw_only=True):
    """What the customer pays with points."""

    points: _Points


class CalculateReply(_Wire, frozen=True, kw_only=True):
    """PDI's figures for a basket."""

    earned_points: _Points
    multiplier: Decimal
    bonus_points: _Points
    breakdown: Breakdown
    session_id: str | None = None
    redemption: Redemption | None = None

    def answers(self, request: CalculateRequest) -> bool:
        """PDI's published example echoes neither id nor redemption; where PDI does, they are those asked about.

        The multiplier is a sane number: JSON allows a few characters to mean a number of a billion digits.
        """
        exponent = self.multiplier.as_tuple().exponent
        return (
            self.session_id in {None, request.session_id}
            and (self.redemption is None or self.redemption.points == request.redeem_points)
            and isinstance(exponent, int)
            and exponent >= -_MAX_PLACES
            and 0 <= self.multiplier <= _MAX_MULTIPLIER
        )

    def quote(self, *, redemption_confirmed: bool) -> HostQuote:
        """In domain words. PDI refuses a redemption it does not cover, so an answer to one is its confirmation."""
        return HostQuote(
            earned_points=self.earned_points,
            bonus_points=self.bonus_points,
            base_points=self.breakdown.base_points,
            tier_bonus=self.breakdown.tier_bonus,
            multiplier=self.multiplier,
            redemption_confirmed=redemption_confirmed,
        )


class FinalizeReply(_Wire, frozen=True, kw_only=True):
    """What PDI has booked."""

    session_id: str
    status: str
    earned_points: _Points
    new_balance: _Balance
    receipt_id: str

    def answers(self, request: FinalizeRequest) -> bool:
        """It books this session under this receipt, and says that it has."""
        return (
            self.session_id == request.session_id
            and self.receipt_id == request.receipt_id
            and self.status == "finalized"
        )

    def receipt(self) -> HostReceipt:
        """In domain words."""
        return HostReceipt(earned_points=self.earned_points, new_balance=self.new_balance)


class Commit(_Wire, frozen=True, kw_only=True):
    """One entry of PDI's ledger."""

    key: Annotated[str, msgspec.Meta(max_length=255)]
    kind: CommitKind
    points: Annotated[int, msgspec.Meta(ge=-MAX_POINTS, le=MAX_POINTS)]


class ReturnReply(_Wire, frozen=True, kw_only=True):
    """What PDI has taken back and given back."""

    session_id: _Handle
    return_id: str
    points_reversed: _Points
    points_restored: _Points
    new_balance: _Balance | None = None

    def answers(self, request: ReturnRequest) -> bool:
        """Both ids are ours."""
        return self.session_id == request.session_id and self.return_id == request.return_id

    def figures(self) -> ReturnFigures:
        """In domain words."""
        return ReturnFigures(points_reversed=self.points_reversed, points_restored=self.points_restored)


class StatusReply(_Wire, frozen=True, kw_only=True):
    """What PDI has booked for a session so far."""

    session_id: str
    status: _Word
    earned_points: _Points
    commits: tuple[Commit, ...]

    def answers(self, request: StatusQuery) -> bool:
        """It tells of this session."""
        return self.session_id == request.session_id

    def report(self) -> HostSessionReport:
        """In domain words."""
        commits = tuple(HostCommit(key=commit.key, kind=commit.kind, points=commit.points) for commit in self.commits)
        return HostSessionReport(status=self.status, earned_points=self.earned_points, commits=commits)
