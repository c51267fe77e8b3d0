"""What a client is told whose bytes never became a request: the same problems as everywhere, made without one."""

import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple

import structlog

from loyalty_web.problem_details import KINDS, PROBLEM_JSON, problem_bytes
from loyalty_web.transport_headers import ALWAYS

_log = structlog.get_logger(context="Http")


class Unreadable(NamedTuple):
    """Why a request could not be read."""

    code: str
    detail: str

    def answer(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole response, `headers` included, after which the connection ends. Its trace id is logged, once."""
        trace_id = secrets.token_hex(16)
        status = KINDS[self.code].status
        _log.warning("A request could not be read", code=self.code, status=status.value, traceId=trace_id)
        body = problem_bytes(self.code, self.detail, trace_id)
        fields = (
            *headers,
            *ALWAYS,
            (b"x-request-id", trace_id.encode()),
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(b"%b: %b" % field for field in fields), b"", b""]
        return b"\r\n".join(head) + body


MALFORMED: Final = Unreadable("malformed_request", "what was sent is not one well-formed request of HTTP/1.1")
HEADER_TOO_LARGE: Final = Unreadable("header_too_large", "send at most 100 header fields and 32 KiB of them")
TOO_SLOW: Final = Unreadable("request_timeout", "the request did not arrive in time; repeat it")
