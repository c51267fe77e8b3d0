"""The body of ``POST /return``, and the command it means."""

from typing import Annotated

import msgspec

from loyalty_core.domain.basket import FieldPath, format_path
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import SessionNotFound, ValidationFailed
from loyalty_core.domain.identifiers import ReturnId, check_external_id, parse_session_id
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.return_request import InvalidReturn, ReturnLine, ReturnRequest, check_request
from loyalty_core.use_cases.return_purchase import ReturnGoods
from loyalty_web.json_numbers import ExactNumber, WholeNumber
from loyalty_web.schemas import Body, Identifier, SessionName

_WORDS = {"lines": "items", "quantity": "qty"}


class ReturnItemRequest(Body, frozen=True, kw_only=True):
    """Some of one line of the sale: by its position, or by a SKU that no other line carries."""

    line: Annotated[
        WholeNumber | None,
        msgspec.Meta(
            description="The line's position in the sale, from 0. A sale without lines has one, of quantity 1.",
            extra_json_schema={"minimum": 0, "maximum": 499},
        ),
    ] = None
    sku: Annotated[Identifier | None, msgspec.Meta(description="Where `line` is given too, the two must agree.")] = None
    qty: Annotated[
        ExactNumber,
        msgspec.Meta(
            description="How much of it comes back; at most 4 decimals.",
            extra_json_schema={"exclusiveMinimum": 0, "exclusiveMaximum": 10**6},
        ),
    ]

    def returned(self) -> ReturnLine:
        """The line, its bounds not yet checked."""
        return ReturnLine(self.qty.value, None if self.line is None else self.line.value, self.sku)


class ReturnGoodsRequest(Body, frozen=True, kw_only=True):
    """Takes a finalized sale back, wholly or in part: `items`, or `amount`, or neither for all that is left of it."""

    session_id: SessionName
    return_id: Annotated[
        Identifier, msgspec.Meta(description="The POS's number of the return; repeating it repeats its answer.")
    ]
    items: Annotated[
        list[ReturnItemRequest] | None,
        msgspec.Meta(description="What comes back, by line.", extra_json_schema={"minItems": 1, "maxItems": 500}),
    ] = None
    amount: Annotated[
        ExactNumber | None,
        msgspec.Meta(
            description="What comes back, gross, before any redemption; taken from every line pro rata.",
            extra_json_schema={"exclusiveMinimum": 0, "exclusiveMaximum": 10**10},
        ),
    ] = None

    def command(self, caller: Caller, program: RewardProgram, if_match: int | None) -> ReturnGoods:
        """What the body asks for.

        Raises:
            ValidationFailed: an identifier or a number breaks its bound, or both `items` and `amount` are given.
            SessionNotFound: no session could have that name.
        """
        check_external_id("returnId", self.return_id)
        if self.items is not None and not self.items:
            # Left out it means everything, and a till that found nothing to list must not give everything back.
            raise ValidationFailed.of("items", "must have an entry; leave it out to return all that is left")
        request = ReturnRequest(
            lines=tuple(item.returned() for item in self.items or ()),
            amount=None if self.amount is None else self.amount.value,
        )
        try:
            check_request(request, program.minor_units)
        except InvalidReturn as invalid:
            raise ValidationFailed.of(in_callers_words(invalid.field_path), invalid.reason) from None
        session_id = parse_session_id(self.session_id)
        if session_id is None:
            raise SessionNotFound
        return ReturnGoods(
            caller=caller,
            session_id=session_id,
            return_id=ReturnId(self.return_id),
            request=request,
            if_match=if_match,
        )


def in_callers_words(path: FieldPath) -> str:
    """``items[2].qty`` for what the core calls ``lines[2].quantity``."""
    return format_path(tuple(step if isinstance(step, int) else _WORDS.get(step, step) for step in path))
