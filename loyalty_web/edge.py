"""The outermost layer of the service: trace, headers that every answer carries, and one log line for each request."""

import re
import time
from collections.abc import Iterable
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from loyalty_web.request_facts import Meter, RequestFacts, Traces
from loyalty_web.transport_headers import TransportHeaders

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SERVER_ERROR: Final = 500
_QUIET: Final = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; logged only when they fail."""

_log = structlog.get_logger(context="LoyaltyController")


class Edge:
    """An ASGI application around the application."""

    def __init__(self, app: ASGIApp, traces: Traces, meter: Meter, transport: TransportHeaders) -> None:
        self._app = app
        self._traces = traces
        self._meter = meter
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        traceparent, request_id = _names(scope["headers"])
        work = self._traces.begin(traceparent)
        facts = RequestFacts(work)
        facts.attach(scope)
        if request_id is not None:
            facts.note(requestId=request_id.decode())
        named = (b"x-request-id", request_id or facts.trace_id.encode())
        status = _SERVER_ERROR

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], *self._transport.of(scope), named, *facts.headers]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            method, route = scope["method"], str(scope.get("path_template") or "unmatched")  # never the raw path
            self._meter.request_answered(method, route, status, seconds)
            _write(method, route, facts, status, seconds)
            self._traces.answered(work, method, route, status)


def _names(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, bytes | None]:
    """The caller's `traceparent`, as it is, and the request id, if it is one."""
    traceparent: str | None = None
    request_id: bytes | None = None
    for name, value in headers:
        if name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value
    return traceparent, request_id


def _write(method: str, route: str, facts: RequestFacts, status: int, seconds: float) -> None:
    if not facts.is_logged or (route in _QUIET and status < _SERVER_ERROR):
        return
    fields = {"method": method, "route": route, "status": status, "duration": round(seconds * 1000, 1), **facts.fields}
    message = fields.pop("message", None) or "Request answered"
    (_log.error if status >= _SERVER_ERROR else _log.info)(message, **fields)
