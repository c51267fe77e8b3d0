"""The bounds of a POS's own notes."""

from decimal import Decimal
from typing import Any

import pytest

from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.metadata import MAX_BYTES, check_metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": {"b": {"c": {"d": 1}}}},
        {"a": [[["four deep"]]]},
        {"a": [{"b": [1, None]}]},
        {"x": "y" * (MAX_BYTES - 8)},
        {"amount": Decimal("1.10"), "many": 2**70, "none": None, "yes": True},
    ],
)
def test_within_its_bounds(metadata: dict[str, Any]) -> None:
    """Four deep and 4 KiB are allowed, to the byte."""
    check_metadata("metadata", metadata)


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"a": {"b": {"c": {"d": {}}}}}, "deep"),
        ({"a": [[[[]]]]}, "deep"),
        ({"a": [{"b": [{}]}]}, "deep"),
        ({"a": 1, "b": [1, {"c": [{"d": 1}, {"e": []}]}]}, "deep"),
        ({"x": "y" * (MAX_BYTES - 7)}, "bytes"),
        ({"x": "é" * (MAX_BYTES // 2)}, "bytes"),
    ],
)
def test_beyond_them(metadata: dict[str, Any], word: str) -> None:
    """One level or one byte more is refused, and the field is named as the caller wrote it."""
    with pytest.raises(ValidationFailed, match=word) as refused:
        check_metadata("metadata", metadata)

    assert ["metadata"] == [error.field for error in refused.value.errors]
