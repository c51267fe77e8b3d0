"""What leads from one call to the next, and what the headers of the answers say, for the published description."""

from typing import Any, Final

_SESSION_ANSWERED: Final = "$response.body#/sessionId"
_SESSION_SENT: Final = "$request.body#/sessionId"


def _to_status(session: str) -> dict[str, Any]:
    return {
        "operationId": "get_session_status",
        "description": "How the session stands.",
        "parameters": {"sessionId": session},
    }


def _to_cancel(session: str) -> dict[str, Any]:
    return {"operationId": "cancel", "description": "Abandon it.", "requestBody": {"sessionId": session}}


def _to_return(session: str) -> dict[str, Any]:
    return {"operationId": "return_goods", "description": "Take it back.", "requestBody": {"sessionId": session}}


_SETTLED: Final[dict[str, Any]] = {
    "status": _to_status(_SESSION_ANSWERED),
    "return": _to_return(_SESSION_ANSWERED),
}
LINKS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("/identify", "201"): {
        "quote": {
            "operationId": "calculate_rewards",
            "description": "Quote the points of the basket.",
            "requestBody": {"sessionId": _SESSION_ANSWERED},
        },
        "finalize": {
            "operationId": "finalize",
            "description": "Commit the rewards.",
            "requestBody": {"sessionId": _SESSION_ANSWERED, "transactionId": "$request.body#/transactionId"},
        },
        "cancel": _to_cancel(_SESSION_ANSWERED),
        "status": _to_status(_SESSION_ANSWERED),
    },
    ("/calculateRewards", "200"): {"status": _to_status(_SESSION_SENT), "cancel": _to_cancel(_SESSION_SENT)},
    ("/finalize", "200"): _SETTLED,
    ("/finalize", "202"): _SETTLED,
    ("/cancel", "200"): {"status": _to_status(_SESSION_ANSWERED)},
    ("/return", "200"): _SETTLED,
    ("/return", "202"): _SETTLED,
}
"""By path and status. A link's `requestBody` names the fields that carry over; the others are the caller's."""

_SECONDS: Final = {"type": "integer", "minimum": 1}
_RETRY: Final = {"description": "Seconds after which to repeat the call.", "schema": _SECONDS}
_REPLAYED: Final = {
    "description": "There where an earlier, equal call was answered before: these are its bytes.",
    "schema": {"type": "string", "const": "true"},
}
_PROMISED: Final = {
    "Location": {"description": "Where its status is.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to look.", "required": True, "schema": _SECONDS},
    "Idempotent-Replayed": _REPLAYED,
}
_LIMITED: Final = {
    "RateLimit": {"description": "Calls that the client has left, and when more come.", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "The limit that the client has.", "schema": {"type": "string"}},
}
_OF_CALLS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("/identify", "201"): {"Idempotent-Replayed": _REPLAYED},
    ("/finalize", "200"): {"Idempotent-Replayed": _REPLAYED},
    ("/finalize", "202"): _PROMISED,
    ("/return", "200"): {"Idempotent-Replayed": _REPLAYED},
    ("/return", "202"): _PROMISED,
    ("/getSessionStatus", "200"): {
        "ETag": {
            "description": "The session's version, for `If-Match`.",
            "required": True,
            "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
        }
    },
}
_OF_PROBLEMS: Final[dict[str, dict[str, Any]]] = {
    "401": {
        "WWW-Authenticate": {"description": "The scheme.", "required": True, "schema": {"type": "string"}},
    },
    "409": {"Retry-After": _RETRY},
    "429": {"Retry-After": {**_RETRY, "required": True}},
    "503": {"Retry-After": {**_RETRY, "required": True}},
}
_REQUEST_ID: Final = {
    "X-Request-Id": {
        "description": "The caller's `X-Request-Id` where it sent a well-formed one, else the call's trace id.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"},
    }
}


def headers_of(path: str, status: str, *, problem: bool) -> dict[str, Any]:
    """The headers of an answer, beside those that every answer of HTTP carries."""
    told = {**_REQUEST_ID, **_OF_CALLS.get((path, status), {}), **(_OF_PROBLEMS.get(status, {}) if problem else {})}
    return told if path.startswith("/health") else {**told, **_LIMITED}
