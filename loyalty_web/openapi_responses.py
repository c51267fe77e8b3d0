"""What a call may answer besides its success, for the published description."""

from collections import defaultdict
from http import HTTPStatus
from typing import Final

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from loyalty_web.problem_details import KINDS, PROBLEM_JSON, Problem

_OPEN_TO_ALL: Final = ("validation_failed", "malformed_request", "request_timeout", "header_too_large")
_EVERY_CALL: Final = (
    *_OPEN_TO_ALL,
    "unauthenticated",
    "scope_missing",
    "rate_limited",
    "overloaded",
    "storage_unavailable",
    "internal_error",
)
_WITH_BODY: Final = ("body_too_large", "unsupported_media_type", "outcome_unknown")


def problems(*codes: str, body: bool = True) -> dict[int, ResponseSpec]:
    """The errors of a call: those it names, and those that every call (with a body) can give."""
    return _by_status(*_EVERY_CALL, *(_WITH_BODY if body else ()), *codes)


def open_to_all() -> dict[int, ResponseSpec]:
    """The errors of a call that needs no key: those of requests that are none."""
    return _by_status(*_OPEN_TO_ALL)


def _by_status(*codes: str) -> dict[int, ResponseSpec]:
    by_status: defaultdict[HTTPStatus, list[str]] = defaultdict(list)
    for code in codes:
        by_status[KINDS[code].status].append(code)
    return {
        status.value: ResponseSpec(
            data_container=Problem,
            generate_examples=False,
            media_type=PROBLEM_JSON,
            description=", ".join(f"`{code}`" for code in by_status[status]),
            examples=[_example(code) for code in by_status[status]],
        )
        for status in sorted(by_status)
    }


def accepted(answer: type[msgspec.Struct]) -> ResponseSpec:
    """The answer of a call that is on record and settles later."""
    return ResponseSpec(
        data_container=answer,
        generate_examples=False,
        description="On record; settles exactly once. `Location` says where to look, `Retry-After` when.",
    )


def _example(code: str) -> Example:
    kind = KINDS[code]
    problem = Problem(
        type=f"/docs#{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail="What to do about it, for people.",
        trace_id="0af7651916cd43dd8448eb211c80319c",
    )
    return Example(id=code, summary=kind.title, value=msgspec.to_builtins(problem))
