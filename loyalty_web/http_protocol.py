"""uvicorn's HTTP/1.1, with bounds on what a request's header may cost: in bytes, and in time."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES: Final = 32 * 1024


class ServiceConfig(uvicorn.Config):
    """uvicorn's settings, and ours for its connections."""

    def __init__(self, app: Any, *, header_seconds: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, ws="none", **options)
        self.header_seconds = header_seconds


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A client that dribbles its header, or never ends it, is cut off; it is no POS of ours."""

    _in_header = True
    _header_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._start_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._header_bytes += len(data)
        super().data_received(data)
        if self._in_header and self._header_bytes > MAX_HEADER_BYTES:
            self._cut_off(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._start_timer()

    @override
    def on_headers_complete(self) -> None:
        self._in_header = False
        self._stop_timer()
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_header = True
        self._header_bytes = 0

    def _start_timer(self) -> None:
        seconds = getattr(self.config, "header_seconds", 5.0)
        self._timer = self.loop.call_later(seconds, self._cut_off, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()
