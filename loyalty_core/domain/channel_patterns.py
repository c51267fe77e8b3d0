"""Which channels an API key may name, and whether two clients would meet in one."""

import re
from typing import Final

from loyalty_core.domain.errors import ValidationFailed

_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}|(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,62})?\*")


def check_channel_pattern(field: str, pattern: str) -> str:
    """Return `pattern` if it is a channel's name, a prefix of names ending in ``*``, or ``*`` alone.

    Raises:
        ValidationFailed: it is none of these.
    """
    if _PATTERN.fullmatch(pattern) is None:
        raise ValidationFailed.of(field, "must be a channel's name, or the beginning of names followed by '*'")
    return pattern


def patterns_overlap(one: str, other: str) -> bool:
    """Whether some channel matches both patterns."""
    match one.endswith("*"), other.endswith("*"):
        case True, True:
            return one[:-1].startswith(other[:-1]) or other[:-1].startswith(one[:-1])
        case True, False:
            return other.startswith(one[:-1])
        case False, True:
            return one.startswith(other[:-1])
        case _:
            return one == other
