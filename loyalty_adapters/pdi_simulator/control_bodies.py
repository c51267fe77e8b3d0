"""What the control API takes."""

from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec

from loyalty_adapters.pdi_simulator.bodies import Identifier, Points
from loyalty_adapters.pdi_simulator.messages import Rejection, Request


class ControlBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A misspelt field is refused: a test that steers nothing would pass for the wrong reason."""


class Tamper(ControlBody):
    """Falsifies the entry `number`, or every entry of a transaction (narrowed by channel and kind)."""

    action: Literal["lose", "double", "change"]
    number: int | None = None
    transaction_id: Identifier | None = None
    channel_id: Identifier | None = None
    kind: Literal["accrual", "redemption", "reversal", "restoration"] | None = None
    points: Points | None = None


class SessionControl(ControlBody):
    """Makes PDI `forget` a session or lets it `expire`; without an id, all that have nothing booked."""

    action: Literal["forget", "expire"]
    pdi_session_id: Identifier | None = None


class CustomerControl(ControlBody):
    """Creates an account or changes it."""

    customer_id: Identifier
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    tier: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    points: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] = 0
    suspended: bool = False


class ProgramControl(ControlBody):
    """PDI's rates; an absent field goes back to its default."""

    points_per_unit: Decimal = Decimal(2)
    redeem_points_per_unit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    books_own_figure: bool = False


BodyT = TypeVar("BodyT", bound=ControlBody)


def read_control(request: Request, body: type[BodyT]) -> BodyT:
    """The body of a control call.

    Raises:
        Rejection: 400 `invalid_request`, with what is wrong and where.
    """
    try:
        read = msgspec.json.decode(request.body, type=body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(str(error)) from None
    if isinstance(read, ProgramControl) and not (
        read.points_per_unit.is_finite() and 0 <= read.points_per_unit <= 1000
    ):
        raise invalid("`pointsPerUnit` lies between 0 and 1000.")
    if isinstance(read, Tamper):
        if (read.number is None) == (read.transaction_id is None):
            raise invalid("Give either `number` or `transactionId`.")
        if (read.action == "change") != (read.points is not None):
            raise invalid("`points` belongs to `change`, and `change` needs it.")
    return read


def invalid(message: str) -> Rejection:
    """A control call that makes no sense."""
    return Rejection(400, "invalid_request", message)
