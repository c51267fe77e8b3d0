"""Numbers in JSON, exact to the digit: nothing that arrives here has been, or will be, a binary fraction."""

from decimal import Decimal
from typing import Any, Final

_MOST_DIGITS: Final = 40
_LARGEST_EXPONENT: Final = 40
"""Far beyond every amount there is; what is refused here is refused as a number, not as an amount."""


class ExactNumber:
    """A JSON number as it was written. In a body's schema it marks a field that takes a number, never a string."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal) -> None:
        self.value: Final = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactNumber) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"ExactNumber({self.value})"


class WholeNumber:
    """A JSON number without a fraction, however it was written: to JSON, `5` and `5.0` are the same integer."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value: Final = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WholeNumber) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"WholeNumber({self.value})"


def exact_number(text: str) -> Decimal:
    """A number with a fraction or an exponent, as a decimal; handed every such token by the JSON decoder.

    Raises:
        ValueError: it has more digits, or a larger exponent, than any number of a request could need.
    """
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _MOST_DIGITS or (exponent and not -_LARGEST_EXPONENT <= _bounded(exponent) <= _LARGEST_EXPONENT):
        raise ValueError("must be a number with fewer digits")
    return Decimal(text)


def convert_custom(kind: type, value: Any) -> Any:
    """A field of a custom type; the decoder hands it whatever JSON value it found there.

    Raises:
        TypeError: the value is not a JSON number, or has a fraction where it may not.
    """
    if kind is WholeNumber:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value):
            raise TypeError("must be an integer")
        return WholeNumber(int(value))
    if kind is not ExactNumber:
        raise NotImplementedError(f"no request has a field of type {kind.__name__}")
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise TypeError("must be a number, without quotes")
    return ExactNumber(Decimal(value))


def _bounded(exponent: str) -> int:
    """The exponent, or one that is out of bounds where even reading it would be work."""
    return int(exponent) if len(exponent) < 6 else _LARGEST_EXPONENT + 1
