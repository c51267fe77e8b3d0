"""`If-Match` and `ETag`: a session's version, as HTTP writes it."""

import re
from typing import Final

from loyalty_core.domain.errors import ValidationFailed

_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[^"]*)"')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")
_NO_VERSION: Final = 0
"""A version no session is ever at."""


def entity_tag(version: int) -> str:
    """``"7"``, with its quotes."""
    return f'"{version}"'


def expected_version(if_match: str | None) -> int | None:
    """The version that the caller insists on; None where it does not.

    A tag that none of ours could be, a weak one included, names a version that no session is at.

    Raises:
        ValidationFailed: it is neither one quoted tag nor ``*``.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise ValidationFailed.of("If-Match", 'must be the ETag of the session\'s status, quotes included, such as "3"')
    if tag["weak"] or _VERSION.fullmatch(tag["opaque"]) is None:
        return _NO_VERSION
    return int(tag["opaque"])
