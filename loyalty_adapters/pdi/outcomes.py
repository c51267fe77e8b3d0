"""What an answer of PDI's means, by its status and body alone."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import msgspec

from loyalty_adapters.pdi.exchange import Answer
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
)


class Outcome(StrEnum):
    """The seven ways a call ends, as metrics and logs name them."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SESSION_UNKNOWN = "session_unknown"
    NOT_SENT = "not_sent"
    NOT_JUDGED = "not_judged"
    REFUSED_US = "refused_us"
    SILENT = "silent"


_OUTCOMES: Final[dict[type[HostError], Outcome]] = {
    HostRejection: Outcome.REJECTED,
    HostSessionUnknown: Outcome.SESSION_UNKNOWN,
    HostNotSent: Outcome.NOT_SENT,
    HostNotJudged: Outcome.NOT_JUDGED,
    HostRefusesUs: Outcome.REFUSED_US,
    HostSilence: Outcome.SILENT,
}


def outcome_of(error: HostError) -> Outcome:
    """The class of a call that was not accepted."""
    return _OUTCOMES[type(error)]


class TokenNotAccepted(Exception):
    """PDI answered 401 or 403: it has judged the token, not the request."""


_DEFINITE: Final = frozenset({400, 404, 409, 422})
"""Only these, and only with a code, are PDI's own no. Any other 4xx, or one of these without a code, may come from
something between us and PDI that does not know whether PDI has acted."""

_SESSION_CODES: Final = frozenset({"session_unknown", "session_not_found", "session_expired"})
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")
_GENERIC_CODE: Final = "rejected"
_MAX_MESSAGE: Final = 300
_MAX_DETAILS: Final = 16
_MAX_DETAIL_KEY: Final = 64
_MAX_DETAIL_TEXT: Final = 128
_MAX_DECIMALS: Final = 10
_PERSONAL: Final = re.compile(r"name|mail|phone|address|birth", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class _Rejection(msgspec.Struct):
    code: str
    message: object = ""
    details: object = None


_REJECTION: Final = msgspec.json.Decoder(_Rejection, float_hook=Decimal)  # a detail may be an amount


def refusal(answer: Answer, now: datetime, max_retry_after: float) -> HostError | TokenNotAccepted:
    """The error that an answer other than 2xx stands for. Nothing in it is longer than a few hundred characters."""
    status = answer.status
    if status in _DEFINITE:
        return _rejection(answer.body)
    if status in {401, 403}:
        return TokenNotAccepted()
    if status == 429:
        wait = retry_after(answer.headers, now, max_retry_after)
        return HostNotJudged("rate_limited", retry_after=1.0 if wait is None else wait)
    return HostSilence(f"http_{status}")


def retry_after(headers: Mapping[str, str], now: datetime, cap: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for, as a number or a date, from 0 to `cap`; None where it says nothing."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), cap)  # nine digits are thirty years; more would only be slow to read
    try:
        date = parsedate_to_datetime(value)
        return min(max((date - now).total_seconds(), 0.0), cap)
    except (TypeError, ValueError, OverflowError):  # no date, a date without a zone, or one beyond the calendar
        return None


def _rejection(body: bytes) -> HostError:
    try:
        read = _REJECTION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return HostSilence("refused_without_code")
    code = read.code if _CODE.fullmatch(read.code) else _GENERIC_CODE
    if code in _SESSION_CODES:
        return HostSessionUnknown(code)
    message = _UNPRINTABLE.sub(" ", read.message)[:_MAX_MESSAGE] if isinstance(read.message, str) else ""
    return HostRejection(code, message, _details(read.details))


def _details(details: object) -> dict[str, object]:
    """The first few plain values, none that is or may hold a person's name."""
    if not isinstance(details, dict):
        return {}
    kept: dict[str, object] = {}
    for key, value in details.items():
        if len(key) > _MAX_DETAIL_KEY or _PERSONAL.search(key) or _UNPRINTABLE.search(key):
            continue
        if isinstance(value, str):
            kept[key] = _UNPRINTABLE.sub(" ", value[:_MAX_DETAIL_TEXT])
        elif value is None or (isinstance(value, bool | int | Decimal) and _is_sane(value)):
            kept[key] = value
        if len(kept) == _MAX_DETAILS:
            break
    return kept


def _is_sane(number: int | Decimal) -> bool:
    exponent = Decimal(number).as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MAX_DECIMALS and -(2**63) <= number < 2**63
