"""The POS's own notes on a session: kept and given back, never interpreted."""

from typing import Any, Final

import msgspec

from loyalty_core.domain.errors import ValidationFailed

MAX_BYTES: Final = 4096
MAX_DEPTH: Final = 4

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def check_metadata(field: str, metadata: dict[str, Any]) -> None:
    """Hold metadata to its bounds: 4 KiB as compact JSON, objects and lists nested at most 4 deep.

    Raises:
        ValidationFailed: it is larger or deeper; `field` is named.
    """
    if _is_deeper_than(metadata, MAX_DEPTH):
        raise ValidationFailed.of(field, f"must not be nested more than {MAX_DEPTH} deep")
    if len(_ENCODER.encode(metadata)) > MAX_BYTES:
        raise ValidationFailed.of(field, f"must not be larger than {MAX_BYTES} bytes of JSON")


def _is_deeper_than(value: Any, limit: int) -> bool:
    if isinstance(value, dict):
        return limit == 0 or any(_is_deeper_than(item, limit - 1) for item in value.values())
    if isinstance(value, list):
        return limit == 0 or any(_is_deeper_than(item, limit - 1) for item in value)
    return False
