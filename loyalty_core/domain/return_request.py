"""What a customer gives back, as the till says it and as it is stored."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from loyalty_core.domain.basket import MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, QUANTITY_PLACES, FieldPath, format_path
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.money import UnfitNumber, scale


class InvalidReturn(LoyaltyError):
    """A return request that fits no sale, or not this one. `field_path` as in `InvalidBasket`."""

    code = "validation_failed"

    def __init__(self, field_path: FieldPath, reason: str) -> None:
        super().__init__(f"{format_path(field_path)} {reason}")
        self.field_path = field_path
        self.reason = reason
        """The second half of a sentence that begins with the field."""


class AmbiguousSku(InvalidReturn):
    """A SKU that several lines of the sale carry; `positions` are theirs, one of which the request must name."""

    def __init__(self, field_path: FieldPath, positions: tuple[int, ...]) -> None:
        super().__init__(field_path, f"is on lines {', '.join(map(str, positions))} of the sale; name the line")
        self.positions = positions


class ReturnLine(msgspec.Struct, frozen=True):
    """Some of one line of the sale, named by its position, or by a SKU that no other line carries."""

    quantity: Decimal
    """Above 0, at most 4 decimals."""
    line: int | None = None
    """Position in the sale's basket, from 0. A sale without lines has one unnamed line, of quantity 1."""
    sku: str | None = None
    """Where `line` is given too, the two must agree."""


class ReturnRequest(msgspec.Struct, frozen=True):
    """What a customer gives back: some lines, or an amount of money, or neither for all that is left."""

    lines: tuple[ReturnLine, ...] = ()
    amount: Decimal | None = None
    """Gross, before any redemption, in currency units: above 0. Taken from every line pro rata of what is left."""


class ReturnedShare(msgspec.Struct, frozen=True):
    """How much of each line of a sale one return takes: exact fractions, as text, to be stored with the return."""

    fractions: tuple[str, ...]
    """By position: ``1/3`` is a third of what was sold."""

    def exact(self) -> tuple[Fraction, ...]:
        """The fractions as numbers."""
        return tuple(map(Fraction, self.fractions))


def check_request(request: ReturnRequest, minor_units: int) -> None:
    """Hold a request to what is true of every return, whatever was sold; `minor_units` are the currency's decimals.

    Raises:
        InvalidReturn: it asks by line and by amount at once, names no line, or breaks a bound.
    """
    if request.lines and request.amount is not None:
        raise InvalidReturn(("amount",), "must be left out where lines are named")
    if len(request.lines) > MAX_LINES:
        raise InvalidReturn(("lines",), f"must have at most {MAX_LINES} entries")
    for number, line in enumerate(request.lines):
        _check_positive(("lines", number, "quantity"), line.quantity, QUANTITY_PLACES, MAX_QUANTITY)
        if line.line is None and line.sku is None:
            raise InvalidReturn(("lines", number), "must name a line, or a SKU")
    if request.amount is not None:
        _check_positive(("amount",), request.amount, minor_units, MAX_AMOUNT)


def _check_positive(path: FieldPath, value: Decimal, places: int, below: int) -> None:
    try:
        whole = scale(value, places, below=below)
    except UnfitNumber as unfit:
        raise InvalidReturn(path, str(unfit)) from None
    if not whole:
        raise InvalidReturn(path, "must be more than 0")
