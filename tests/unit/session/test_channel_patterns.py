"""Which channels a key may name, held against every channel there is of a small alphabet."""

import itertools
from typing import Final

import pytest

from loyalty_core.domain.channel_patterns import check_channel_pattern, patterns_overlap
from loyalty_core.domain.errors import ValidationFailed

CHANNELS: Final = ["".join(letters) for length in (1, 2, 3, 4) for letters in itertools.product("AB", repeat=length)]
PATTERNS: Final = [*CHANNELS[:14], "*", *(f"{channel}*" for channel in CHANNELS[:14])]


def _matches(pattern: str, channel: str) -> bool:
    return channel.startswith(pattern[:-1]) if pattern.endswith("*") else channel == pattern


@pytest.mark.parametrize("one", PATTERNS)
def test_two_patterns_overlap_where_a_channel_matches_both(one: str) -> None:
    """No two clients can own the same channel, however they name it."""
    for other in PATTERNS:
        meet = any(_matches(one, channel) and _matches(other, channel) for channel in CHANNELS)
        assert meet == patterns_overlap(one, other), other


@pytest.mark.parametrize("pattern", ["*", "POS-*", "0", "A._:-z9", "A" * 64, "A" * 63 + "*"])
def test_names_beginnings_and_all_of_them(pattern: str) -> None:
    """What a key may be made for comes back as it was given."""
    assert pattern == check_channel_pattern("channels", pattern)


@pytest.mark.parametrize("pattern", ["", "**", "*A", "-A", "A b", "A" * 65, "A" * 64 + "*", "A\n"])
def test_nothing_else(pattern: str) -> None:
    """And the mistake names its field, and what would have done."""
    with pytest.raises(ValidationFailed) as refused:
        check_channel_pattern("channels[1]", pattern)
    assert "channels[1] must be a channel's name, or the beginning of names followed by '*'" == refused.value.message
