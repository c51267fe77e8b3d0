"""Errors as RFC 9457 problem details: one table from codes to statuses, and nothing that a caller should not see."""

import math
import re
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from loyalty_core.domain.basket import InvalidBasket, format_path
from loyalty_core.domain.errors import (
    FieldError,
    IllegalTransition,
    LoyaltyError,
    QuoteChanged,
    RejectedByHost,
    RetryableError,
    SettlementFailed,
    ValidationFailed,
    VersionMismatch,
)
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.return_request import InvalidReturn
from loyalty_web.request_facts import RequestFacts
from loyalty_web.return_schemas import in_callers_words

PROBLEM_JSON: Final = "application/problem+json"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_FRAMES: Final = 8
"""The innermost calls of each error that are logged."""
_log = structlog.get_logger(context="LoyaltyController")


class Kind(NamedTuple):
    """What a code means over HTTP."""

    status: HTTPStatus
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    "validation_failed": Kind(HTTPStatus.BAD_REQUEST, "The request is not valid"),
    "malformed_request": Kind(HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    "pdi_rejected": Kind(HTTPStatus.BAD_REQUEST, "The loyalty host rejected the request"),
    "unauthenticated": Kind(HTTPStatus.UNAUTHORIZED, "A valid API key is required"),
    "channel_not_allowed": Kind(HTTPStatus.FORBIDDEN, "The API key may not act for this channel"),
    "scope_missing": Kind(HTTPStatus.FORBIDDEN, "The API key may not make this call"),
    "not_found": Kind(HTTPStatus.NOT_FOUND, "There is no such call"),
    "session_not_found": Kind(HTTPStatus.NOT_FOUND, "There is no such session"),
    "method_not_allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "The call takes another method"),
    "request_timeout": Kind(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive"),
    "illegal_transition": Kind(HTTPStatus.CONFLICT, "The session's state does not allow the call"),
    "concurrent_update": Kind(HTTPStatus.CONFLICT, "The session was changed at the same time"),
    "session_expired": Kind(HTTPStatus.CONFLICT, "The session has expired"),
    "quote_changed": Kind(HTTPStatus.CONFLICT, "The quote no longer fits"),
    "in_flight": Kind(HTTPStatus.CONFLICT, "The same call is still being worked on"),
    "settlement_failed": Kind(HTTPStatus.CONFLICT, "What was queued was refused"),
    "version_mismatch": Kind(HTTPStatus.PRECONDITION_FAILED, "The session is at another version"),
    "body_too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "unsupported_media_type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
    "transaction_mismatch": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The transaction was used with another payload"),
    "over_return": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "More is returned than was sold"),
    "header_too_large": Kind(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The header is too large"),
    "rate_limited": Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too many calls"),
    "pdi_unauthorized": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The loyalty host refused our credentials"),
    "redemption_needs_pdi": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Redemption needs the loyalty host"),
    "overloaded": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The service is saturated"),
    "storage_unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The session store cannot be reached"),
    "outcome_unknown": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The outcome is not known yet"),
    "internal_error": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here"),
}
"""Every code there is. An error whose code is not here is a bug, and answered as one."""

_MISSING: Final = re.compile(r"Missing required \w+ parameter '(?P<name>\w+)' for path ")
_BUG: Final = "nothing is wrong with the request that we know of; give the traceId to support"
_CODES_OF_STATUS: Final = {
    HTTPStatus.NOT_FOUND: ("not_found", "there is no call of this name; see /docs"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "the call takes the methods in the Allow header"),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An error. `code` is stable and meant for programs; `detail` says what to do, and is meant for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    """Names this call in logs and traces."""
    errors: tuple[FieldError, ...] | None = None
    """What is wrong with single fields."""
    reason: str | None = None
    """The loyalty host's own code for its no."""
    details: dict[str, Any] | None = None
    """What the loyalty host added to it."""
    quoted_points: int | None = None
    current_points: int | None = None
    session_status: str | None = None
    allowed: tuple[str, ...] | None = None
    """The calls that the session's state allows."""
    current_version: int | None = None


def exception_handlers() -> ExceptionHandlersMap:
    """Every exception's way to a problem."""
    return {
        InvalidReturn: _invalid_return,
        LoyaltyError: _refused,
        HTTPException: _refused_by_framework,
        Exception: _bug,
    }


def _invalid_return(request: Request[Any, Any, Any], error: InvalidReturn) -> Response[bytes]:
    """What could only be judged beside the sale, in the caller's words."""
    return _refused(request, ValidationFailed.of(in_callers_words(error.field_path), error.reason))


def _refused(request: Request[Any, Any, Any], error: LoyaltyError) -> Response[bytes]:
    kind = KINDS.get(error.code)
    if kind is None or error.code == "internal_error":
        return _bug(request, error)
    headers: dict[str, str] = {}
    if isinstance(error, RetryableError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if kind.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="loyalty"'
    if kind.status is HTTPStatus.REQUEST_TIMEOUT:
        headers["Connection"] = "close"  # what is still to come of the body would be read as the next request
    return _response(request, error.code, error.message, headers, _members(error))


def _refused_by_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    headers = dict(error.headers or {})
    status = HTTPStatus(error.status_code)
    if status in _CODES_OF_STATUS:
        code, detail = _CODES_OF_STATUS[status]
        return _response(request, code, detail, headers)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _response(request, "validation_failed", _told(error), headers, {"errors": _field_errors(error)})
    return _bug(request, error)


def _told(error: HTTPException) -> str:
    """What the framework has found, in words of ours: its own may quote the whole query."""
    if missing := _MISSING.match(error.detail):
        return f"{missing['name']} is required"
    return "the address, the header or a parameter of the request is not valid"


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The frames go to the log. The message goes nowhere: it may quote what it failed on."""
    _log.error("Unexpected error", error=type(error).__name__, frames=_frames(error))
    return _response(request, "internal_error", _BUG, {})


def _members(error: LoyaltyError) -> dict[str, Any]:
    """What a program may need to know besides the code."""
    match error:
        case ValidationFailed() | InvalidBasket() | RedemptionRefused():
            return {"errors": _wrong_fields(error)}
        case RejectedByHost():
            return {"reason": error.reason, "details": error.details or None}
        case SettlementFailed():
            return {"reason": error.reason}
        case QuoteChanged():
            return {"quoted_points": error.quoted_points, "current_points": error.current_points}
        case IllegalTransition():
            return {"session_status": error.status, "allowed": error.allowed}
        case VersionMismatch():
            return {"current_version": error.current}
        case _:
            return {}


def _wrong_fields(error: ValidationFailed | InvalidBasket | RedemptionRefused) -> tuple[FieldError, ...]:
    match error:
        case ValidationFailed():
            return error.errors
        case InvalidBasket():
            return (FieldError(format_path(error.field_path), error.reason),)
        case RedemptionRefused():
            return (FieldError("redeemPoints", error.message),)


def _response(
    request: Request[Any, Any, Any],
    code: str,
    detail: str,
    headers: Mapping[str, str],
    members: Mapping[str, Any] | None = None,
) -> Response[bytes]:
    facts = RequestFacts.of(request.scope)
    facts.note(code=code)
    body = problem_bytes(code, detail, facts.trace_id, members or {})
    return Response(body, status_code=KINDS[code].status, media_type=PROBLEM_JSON, headers=dict(headers))


def problem_bytes(code: str, detail: str, trace_id: str, members: Mapping[str, Any] | None = None) -> bytes:
    """A problem as it is sent; `members` are fields of `Problem`."""
    kind = KINDS[code]
    problem = Problem(
        type=f"/docs#{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail=detail,
        trace_id=trace_id,
        **(members or {}),
    )
    return _ENCODER.encode(problem)


def _field_errors(error: HTTPException) -> tuple[FieldError, ...] | None:
    """What the framework has found wrong with parameters, in our form."""
    if missing := _MISSING.match(error.detail):
        return (FieldError(missing["name"], "is required"),)
    found = error.extra if isinstance(error.extra, list) else []
    return tuple(FieldError(str(entry.get("key", "request")), str(entry.get("message", ""))) for entry in found) or None


def _frames(error: BaseException | None) -> list[str]:
    """Where the error, and what it followed from, came to pass: files, lines and functions."""
    frames: list[str] = []
    while error is not None:
        frames.append(type(error).__name__)
        last = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        frames += [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in last]
        error = error.__cause__ or error.__context__
    return frames


def _short(path: str) -> str:
    """The path below the folder that packages are installed in."""
    return path.rpartition("site-packages/")[2]
