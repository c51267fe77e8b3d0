"""What is being sold: the gross amount, the lines, the channel, and the points the customer wants to spend on it."""

from copy import copy
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

import msgspec

from loyalty_core.domain.errors import LoyaltyError, ValidationFailed
from loyalty_core.domain.identifiers import ChannelId, check_external_id
from loyalty_core.domain.money import MAX_POINTS, UnfitNumber, scale

MAX_LINES: Final = 500
MAX_AMOUNT: Final = 10**10
"""Amounts and unit prices stay below this many currency units."""
MAX_QUANTITY: Final = 10**6
AMOUNT_PLACES: Final = 4
"""No currency has more decimals; a program narrows this to those of its own."""
PRICE_PLACES: Final = 6
QUANTITY_PLACES: Final = 4
"""Fuel is sold as 3.459 of a gallon."""

FieldPath: TypeAlias = tuple[str | int, ...]


class InvalidBasket(LoyaltyError):
    """A basket breaks a bound. `field_path` names the field in this library's words: ``("lines", 2, "unit_price")``."""

    code = "validation_failed"

    def __init__(self, field_path: FieldPath, reason: str) -> None:
        super().__init__(f"{format_path(field_path)} {reason}")
        self.field_path = field_path
        self.reason = reason
        """The second half of a sentence that begins with the field: ``must not be negative``."""


class BasketLine(msgspec.Struct, frozen=True):
    """One line of the sale. Its bounds are checked by the `Basket` that it joins, which knows its position."""

    sku: str
    quantity: Decimal
    """Units, gallons, kilograms: above 0, below 10⁶, at most 4 decimals."""
    unit_price: Decimal | None = None
    """Currency units per unit: 0 or more, below 10¹⁰, at most 6 decimals. None: the line shares what the rest leave."""
    category: str | None = None


class ExactBasket(NamedTuple):
    """A basket's numbers as whole ones, in the units that their decimals allow."""

    amount: int
    """In 10⁻⁴ of a currency unit."""
    quantities: tuple[int, ...]
    """In 10⁻⁴ of a unit."""
    prices: tuple[int | None, ...]
    """In 10⁻⁶ of a currency unit."""


class Basket(msgspec.Struct, frozen=True, dict=True):
    """A sale as the POS describes it. Two baskets are equal if they mean the same: ``150`` is ``150.00``.

    Raises:
        InvalidBasket: a value breaks its bound; the error names the field.
    """

    amount: Decimal
    """Gross, in currency units, before any redemption: 0 or more, below 10¹⁰."""
    lines: tuple[BasketLine, ...]
    """At most 500. None at all with an amount is one unnamed line."""
    channel: ChannelId
    redeem_points: int = 0
    """Points the customer pays with."""

    def __post_init__(self) -> None:
        self.exact  # noqa: B018 - a basket is valid if, and only if, its numbers can be made whole

    @property
    def is_empty(self) -> bool:
        """Whether nothing is being sold: no lines and no amount. Such a basket earns nothing."""
        return not self.lines and not self.amount

    def at(self, channel: ChannelId) -> "Basket":
        """The same basket at another channel; its numbers are not judged again.

        Raises:
            InvalidBasket: no channel could have that name.
        """
        _check_name(("channel",), channel)
        moved = copy(self)
        msgspec.structs.force_setattr(moved, "channel", channel)
        moved.__dict__["exact"] = self.exact
        return moved

    @cached_property
    def exact(self) -> ExactBasket:
        """The numbers of this basket as whole ones, computed once."""
        amount = _scaled(("amount",), self.amount, AMOUNT_PLACES, MAX_AMOUNT)
        _check_name(("channel",), self.channel)
        if not 0 <= self.redeem_points <= MAX_POINTS:
            raise InvalidBasket(("redeem_points",), f"must be between 0 and {MAX_POINTS}")
        if len(self.lines) > MAX_LINES:
            raise InvalidBasket(("lines",), f"must have at most {MAX_LINES} entries")
        quantities = []
        prices = []
        for position, line in enumerate(self.lines):
            _check_name(("lines", position, "sku"), line.sku)
            if line.category is not None:
                _check_name(("lines", position, "category"), line.category)
            quantity = _scaled(("lines", position, "quantity"), line.quantity, QUANTITY_PLACES, MAX_QUANTITY)
            if not quantity:
                raise InvalidBasket(("lines", position, "quantity"), "must be more than 0")
            quantities.append(quantity)
            price = line.unit_price
            prices.append(
                None if price is None else _scaled(("lines", position, "unit_price"), price, PRICE_PLACES, MAX_AMOUNT)
            )
        return ExactBasket(amount, tuple(quantities), tuple(prices))


def format_path(path: FieldPath) -> str:
    """``("lines", 2, "unit_price")`` as ``lines[2].unit_price``."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".")


def _scaled(path: FieldPath, value: Decimal, places: int, below: int) -> int:
    try:
        return scale(value, places, below=below)
    except UnfitNumber as unfit:
        raise InvalidBasket(path, str(unfit)) from None


def _check_name(path: FieldPath, value: str) -> None:
    try:
        check_external_id("", value)
    except ValidationFailed as failed:
        raise InvalidBasket(path, failed.errors[0].message) from None
