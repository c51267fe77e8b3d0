"""The request bodies PDI takes. Fields it does not know are let pass, as a host that outlives its clients must."""

from decimal import Decimal
from typing import Annotated, Final, TypeVar

import msgspec

from loyalty_adapters.pdi_simulator.messages import JSON_TYPE, Rejection, Request
from loyalty_adapters.pdi_simulator.program import Line

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Points = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
# msgspec takes no `Raw | None`, so null and absence are the same raw word.
_NULL: Final = b"null"
_ABSENT: Final = msgspec.Raw(_NULL)
_LONGEST_NUMBER: Final = 40
_MAX_DECIMALS: Final = 6
_MAX_MAGNITUDE: Final = 10


class Body(msgspec.Struct, rename="camel"):
    """Camel case outside, snake case inside."""


class Item(Body):
    """One basket line; numbers stay raw until they are read exactly."""

    sku: Identifier
    qty: msgspec.Raw
    unit_price: msgspec.Raw = _ABSENT
    category: str | None = None


class Identify(Body):
    """`POST /identify`."""

    customer_id: Identifier
    channel_id: Identifier
    transaction_id: Identifier


class CalculateRewards(Body):
    """`POST /calculateRewards`."""

    session_id: Identifier
    transaction_amount: msgspec.Raw
    items: list[Item] = []
    redeem_points: Points | None = None


class Finalize(Body):
    """`POST /finalize`; `earned_points` is what the client wants booked."""

    session_id: Identifier
    transaction_id: Identifier
    final_amount: msgspec.Raw
    apply_rewards: bool
    earned_points: Points | None = None
    redeem_points: Points | None = None
    receipt_id: Identifier | None = None
    items: list[Item] | None = None


class Return(Body):
    """`POST /return`; what goes back of the earned, and of the redeemed points."""

    session_id: Identifier
    return_id: Identifier
    points_reversed: Points
    points_restored: Points = 0


BodyT = TypeVar("BodyT", bound=Body)


def decoder(body: type[BodyT]) -> msgspec.json.Decoder[BodyT]:
    """A decoder to be made once and used for every request."""
    return msgspec.json.Decoder(body)


def read(request: Request, decode: msgspec.json.Decoder[BodyT]) -> BodyT:
    """The request's body, checked.

    Raises:
        Rejection: 415 `unsupported_media_type`; 400 `invalid_request` with what is wrong and where.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON_TYPE:
        raise Rejection(415, "unsupported_media_type", f"Send {JSON_TYPE}.")
    try:
        return decode.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejection(400, "invalid_request", str(error)) from None


def exact(raw: msgspec.Raw, field: str, *, positive: bool = False) -> Decimal:
    """A JSON number, digit for digit: below 10^10, at most six decimals, not negative.

    Raises:
        Rejection: 400 `invalid_request`; a number in quotes is one of the reasons.
    """
    text = bytes(raw).decode()
    wrong = Rejection(400, "invalid_request", f"`{field}` is not an amount PDI takes.", {"field": field})
    if text[0] not in "-0123456789" or len(text) > _LONGEST_NUMBER:
        raise wrong
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() >= _MAX_MAGNITUDE or exponent < -_MAX_DECIMALS:
        raise wrong
    if number < 0 or (positive and not number):
        raise wrong
    return number


def lines(items: list[Item]) -> list[Line]:
    """The basket as the program reads it.

    Raises:
        Rejection: 400 `invalid_request`.
    """
    return [
        Line(
            exact(item.qty, "items.qty", positive=True),
            None if bytes(item.unit_price) == _NULL else exact(item.unit_price, "items.unitPrice"),
            item.category,
        )
        for item in items
    ]
