"""One spelling for equal content, so that a hash of it names the content."""

from decimal import Decimal
from typing import Any

import msgspec

from loyalty_core.domain.money import spelled


def canonical_json(content: object) -> bytes:
    """`content`, anything that msgspec encodes, as compact JSON with one spelling for each decimal.

    Decimals become strings without an exponent or trailing zeros. Fields keep the order of their declaration; those at
    their default are left out where the type says so.
    """
    return msgspec.json.encode(_respelled(msgspec.to_builtins(content, builtin_types=(Decimal,))))


def _respelled(value: Any) -> Any:
    match value:
        case Decimal():
            return spelled(value)
        case dict():
            return {key: _respelled(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_respelled(entry) for entry in value]
        case _:
            return value
