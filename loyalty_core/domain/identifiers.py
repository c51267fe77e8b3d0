"""Typed identifiers, and the one rule for those that arrive from outside."""

import re
from typing import Final, NewType
from uuid import UUID

from loyalty_core.domain.errors import ValidationFailed

ClientId = NewType("ClientId", str)
"""The retailer's system that owns channels and API keys; it sees its own sessions only."""

ChannelId = NewType("ChannelId", str)
"""A till, pump or kiosk. Owned by exactly one client."""

TransactionId = NewType("TransactionId", str)
"""The POS's sale number. Never repeats within a channel; with the channel it is the idempotency key of a sale."""

CustomerId = NewType("CustomerId", str)
"""The loyalty host's name for a customer. Often a phone number, so it is personal data."""

SessionId = NewType("SessionId", UUID)
"""Ours. Shown as ``sess_`` and 32 hexadecimal digits; the digits sort by creation time."""

HostSessionId = NewType("HostSessionId", str)
"""The loyalty host's own handle for the session; unknown until the host has identified the customer."""

QuoteId = NewType("QuoteId", str)
"""Names one quote of one session, so that a POS can finalize exactly what it showed."""

ReceiptId = NewType("ReceiptId", str)
"""``RCP-<year>-<number>``: ours, given with the intent and sent to the host."""

ReturnId = NewType("ReturnId", str)
"""The POS's number of a return; unique within its session."""

_EXTERNAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SESSION_PREFIX: Final = "sess_"
_SESSION_ID: Final = re.compile(r"sess_[0-9a-f]{32}")


def check_external_id(field: str, value: str) -> str:
    """Return `value` if it is an identifier we accept from outside.

    Raises:
        ValidationFailed: it is empty, longer than 64 characters, or has a character other than ``A-Z a-z 0-9 . _ : -``.
    """
    if _EXTERNAL.fullmatch(value) is None:
        raise ValidationFailed.of(
            field, "must be 1 to 64 characters: a letter or digit, then letters, digits, '.', '_', ':' or '-'"
        )
    return value


def format_session_id(session_id: SessionId) -> str:
    """The public form: ``sess_`` and 32 hexadecimal digits."""
    return f"{_SESSION_PREFIX}{session_id.hex}"


def is_session_id(text: str) -> bool:
    """Whether a session could have that name."""
    return _SESSION_ID.fullmatch(text) is not None


def parse_session_id(text: str) -> SessionId | None:
    """The session id that `text` names, or None where no session could ever have that name."""
    if not is_session_id(text):
        return None
    return SessionId(UUID(text.removeprefix(_SESSION_PREFIX)))


def intent_key(session_id: SessionId, number: int) -> str:
    """The ``Idempotency-Key`` of a session's intent of that number: the same for each of its sends, and no other's."""
    return f"{format_session_id(session_id)}:{number}"


def receipt_id(year: int, number: int) -> ReceiptId:
    """``RCP-2026-001``: at least three digits, as many as the number needs."""
    return ReceiptId(f"RCP-{year}-{number:03d}")
