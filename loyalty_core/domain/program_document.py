"""A program as plain data, spelled in one way: what its TOML says, and what its hash is made of."""

from decimal import Decimal
from typing import Any

import msgspec

from loyalty_core.domain.money import spelled


def document_of(part: msgspec.Struct) -> dict[str, Any]:
    """The fields of `part` that differ from their default, by name and in the order of their declaration.

    Parts within are documents in turn; sequences are lists; other values stay as they are. Equal parts have equal
    documents: a value that was written out but equals the default is left out too.
    """
    document = {}
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        if field.default is msgspec.NODEFAULT or value != field.default:
            document[field.name] = _plain(value)
    return document


def canonical_json(part: msgspec.Struct) -> bytes:
    """The document of `part` as compact JSON, one spelling for each number, so that a hash of it names the content."""
    return msgspec.json.encode(_respelled(document_of(part)))


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return document_of(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _respelled(value: Any) -> Any:
    match value:
        case dict():
            return {key: _respelled(each) for key, each in value.items()}
        case list():
            return [_respelled(each) for each in value]
        case Decimal():
            return spelled(value)
        case _:
            return value
