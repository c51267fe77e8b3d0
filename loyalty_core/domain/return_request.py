"""What a customer gives back, as the till says it and as it is stored."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from loyalty_core.domain.basket import FieldPath, format_path
from loyalty_core.domain.errors import LoyaltyError


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
