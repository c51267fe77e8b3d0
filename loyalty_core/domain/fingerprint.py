"""Whether two payloads mean the same."""

import hashlib
from decimal import Decimal
from typing import Any

import msgspec


def fingerprint(**fields: Any) -> str:
    """The same 64 hexadecimal digits for payloads that mean the same, others for others.

    The order of keys does not count, nor how a number is written: ``150`` is ``150.00``. ``true`` is not ``1``,
    and an absent field is `None`.

    Raises:
        TypeError: a value is a float, or of a type no payload has. Both are bugs of the caller.
    """
    return hashlib.sha256(msgspec.json.encode(_canonical(fields), order="deterministic")).hexdigest()


def _canonical(value: Any) -> Any:
    """`value` in a form that is equal as JSON text if, and only if, it is equal in meaning."""
    match value:
        case None | bool():
            return value
        case str():
            return f"text {value}"
        case int() | Decimal():
            return f"number {_shortest(Decimal(value))}"
        case dict():
            return {str(key): _canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case msgspec.Struct():
            return {name: _canonical(getattr(value, name)) for name in value.__struct_fields__}
    raise TypeError(f"a payload cannot hold a {type(value).__name__}")


def _shortest(number: Decimal) -> str:
    """The digits without trailing zeros, and the power of ten: one spelling for each number, however large."""
    sign, digits, exponent = number.as_tuple()
    if not number:
        return "0"
    if not isinstance(exponent, int):
        raise TypeError("a payload cannot hold a number that is not finite")
    text = "".join(map(str, digits)).lstrip("0")
    shortest = text.rstrip("0")
    return f"{'-' if sign else ''}{shortest}e{exponent + len(text) - len(shortest)}"
