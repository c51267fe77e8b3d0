"""The bodies of the calls, as POS terminals send them, and the commands they mean.

Fields nobody knows are refused: a mistyped optional field that is let pass would quietly change what the call means.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from loyalty_core.domain.basket import MAX_LINES, Basket, BasketLine, FieldPath, InvalidBasket, format_path
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import SessionNotFound, ValidationFailed
from loyalty_core.domain.identifiers import (
    ChannelId,
    CustomerId,
    QuoteId,
    SessionId,
    TransactionId,
    check_external_id,
    parse_session_id,
)
from loyalty_core.domain.program import RewardProgram
from loyalty_core.use_cases.calculate_rewards import Calculate
from loyalty_core.use_cases.cancel_session import MAX_REASON, Cancel
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.identify_customer import Identify
from loyalty_web.json_numbers import ExactNumber, WholeNumber

_IDENTIFIER: Final = {"pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"}
_AMOUNT: Final = {"type": "number", "minimum": 0, "exclusiveMaximum": 10**10}
_INSTANT: Final = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$"
_NO_CHANNEL: Final = ChannelId("0")
"""Stands for the session's channel while a basket's numbers are judged, which is before the session is known."""
_WORDS: Final = {"lines": "items", "quantity": "qty", "unit_price": "unitPrice", "redeem_points": "redeemPoints"}

Identifier = Annotated[str, msgspec.Meta(extra_json_schema=_IDENTIFIER)]
Instant = Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time", "pattern": _INSTANT})]
Amount = Annotated[ExactNumber, msgspec.Meta(extra_json_schema=_AMOUNT)]
SessionName = Annotated[str, msgspec.Meta(description="The `sessionId` that `/identify` answered.")]
# Letters, marks, numbers, punctuation, symbols and the space: what Python calls printable.
_PRINTABLE: Final = r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$"
Reason = Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": MAX_REASON, "pattern": _PRINTABLE})]
Points = Annotated[
    WholeNumber,
    msgspec.Meta(description="Points the customer pays with.", extra_json_schema={"minimum": 0, "maximum": 2**63 - 1}),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of all bodies: camelCase, no field but those declared; `null` is as good as absent for optional ones."""


class IdentifyRequest(Body, frozen=True, kw_only=True):
    """Opens a session for a customer at a channel for one transaction."""

    customer_id: Annotated[Identifier, msgspec.Meta(description="The customer's id at PDI.")]
    channel_id: Annotated[Identifier, msgspec.Meta(description="The till, pump or kiosk.")]
    transaction_id: Annotated[
        Identifier, msgspec.Meta(description="The sale's number; never repeats within its channel.")
    ]
    metadata: Annotated[
        dict[str, Any] | None,
        msgspec.Meta(description="Notes of the POS, given back unchanged: at most 4 KiB, nested at most 4 deep."),
    ] = None
    occurred_at: Annotated[
        Instant | None,
        msgspec.Meta(description="When the sale took place, where it is uploaded late: at most 30 days ago."),
    ] = None

    def command(self, caller: Caller) -> Identify:
        """What the body asks for."""
        return Identify(
            caller=caller,
            customer=CustomerId(self.customer_id),
            channel=ChannelId(self.channel_id),
            transaction=TransactionId(self.transaction_id),
            metadata=self.metadata or {},
            occurred_at=self.occurred_at,
        )


class ItemRequest(Body, frozen=True, kw_only=True):
    """One line of the sale."""

    sku: Identifier
    qty: Annotated[
        ExactNumber,
        msgspec.Meta(
            description="Units, gallons, kilograms; at most 4 decimals.",
            extra_json_schema={"exclusiveMinimum": 0, "exclusiveMaximum": 10**6},
        ),
    ]
    unit_price: Annotated[
        Amount | None, msgspec.Meta(description="Price of one unit, 0 or more, at most 6 decimals.")
    ] = None
    category: Annotated[Identifier | None, msgspec.Meta(description="What promotions and exclusions may name.")] = None

    def line(self) -> BasketLine:
        """The line, its bounds not yet checked."""
        price = None if self.unit_price is None else self.unit_price.value
        return BasketLine(sku=self.sku, quantity=self.qty.value, unit_price=price, category=self.category)


Lines = Annotated[list[ItemRequest], msgspec.Meta(extra_json_schema={"maxItems": MAX_LINES})]
Items = Annotated[
    Lines | None,
    msgspec.Meta(description="The lines of the sale. None with an amount is one unnamed line."),
]


class CalculateRequest(Body, frozen=True, kw_only=True):
    """Quotes the points of a basket; repeatable until the sale is finalized."""

    session_id: SessionName
    transaction_amount: Annotated[Amount, msgspec.Meta(description="Gross, before any redemption.")]
    items: Items = None
    redeem_points: Points | None = None

    def command(self, caller: Caller, program: RewardProgram, if_match: int | None) -> Calculate:
        """What the body asks for.

        Raises:
            ValidationFailed: a number of the basket breaks its bound.
            SessionNotFound: no session could have that name.
        """
        redeem = 0 if self.redeem_points is None else self.redeem_points.value
        basket = _judged("transactionAmount", self.transaction_amount.value, _lines(self.items), redeem, program)
        return Calculate.of(basket, caller=caller, session_id=_session(self.session_id), if_match=if_match)


class FinalizeRequest(Body, frozen=True, kw_only=True):
    """Commits the rewards of the sale, once."""

    session_id: SessionName
    transaction_id: Annotated[Identifier, msgspec.Meta(description="The session's own, repeated.")]
    final_amount: Annotated[Amount, msgspec.Meta(description="Gross, before any redemption.")]
    apply_rewards: Annotated[bool, msgspec.Meta(description="False: the sale ends without points.")]
    quote_id: Annotated[
        Identifier | None, msgspec.Meta(description="The quote that was shown; honoured while its basket is the same.")
    ] = None
    items: Annotated[Lines | None, msgspec.Meta(description="The lines, where they changed since the quote.")] = None
    redeem_points: Points | None = None

    def command(self, caller: Caller, program: RewardProgram, if_match: int | None) -> Finalize:
        """What the body asks for.

        Raises:
            ValidationFailed: an identifier or a number of the basket breaks its bound.
            SessionNotFound: no session could have that name.
        """
        lines = None if self.items is None else _lines(self.items)
        redeem = 0 if self.redeem_points is None else self.redeem_points.value
        check_external_id("transactionId", self.transaction_id)
        if self.quote_id is not None:
            check_external_id("quoteId", self.quote_id)
        _judged("finalAmount", self.final_amount.value, lines or (), redeem, program)
        if redeem and not self.apply_rewards:
            raise ValidationFailed.of("redeemPoints", "must be left out where applyRewards is false")
        return Finalize(
            caller=caller,
            session_id=_session(self.session_id),
            transaction=TransactionId(self.transaction_id),
            final_amount=self.final_amount.value,
            apply_rewards=self.apply_rewards,
            quote_id=None if self.quote_id is None else QuoteId(self.quote_id),
            lines=lines,
            redeem_points=redeem,
            if_match=if_match,
        )


class CancelRequest(Body, frozen=True, kw_only=True):
    """Abandons a session that nothing has been sent for."""

    session_id: SessionName
    reason: Annotated[Reason | None, msgspec.Meta(description="Kept in the timeline: printable characters.")] = None

    def command(self, caller: Caller, if_match: int | None) -> Cancel:
        """What the body asks for.

        Raises:
            SessionNotFound: no session could have that name.
        """
        return Cancel(caller=caller, session_id=_session(self.session_id), reason=self.reason, if_match=if_match)


def _session(text: str) -> SessionId:
    session_id = parse_session_id(text)
    if session_id is None:
        raise SessionNotFound
    return session_id


def _lines(items: list[ItemRequest] | None) -> tuple[BasketLine, ...]:
    return tuple(item.line() for item in items or ())


def _judged(
    amount_field: str, amount: Decimal, lines: tuple[BasketLine, ...], redeem_points: int, program: RewardProgram
) -> Basket:
    """The basket, its numbers judged as the core will, but before anything is looked up, and in the caller's words."""
    try:
        program.check_amount(amount)
        return Basket(amount=amount, lines=lines, channel=_NO_CHANNEL, redeem_points=redeem_points)
    except InvalidBasket as invalid:
        raise ValidationFailed.of(_in_callers_words(invalid.field_path, amount_field), invalid.reason) from None


def _in_callers_words(path: FieldPath, amount_field: str) -> str:
    words = {"amount": amount_field, **_WORDS}
    return format_path(tuple(step if isinstance(step, int) else words.get(step, step) for step in path))
