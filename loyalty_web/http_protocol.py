"""uvicorn's HTTP/1.1, with bounds on what a request may cost before it is one, and no two readings of where it ends."""

import asyncio
import select
from typing import Any, Final, cast

import httptools
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from loyalty_web.unreadable import HEADER_TOO_LARGE, MALFORMED, TOO_SLOW, Unreadable

MAX_HEADER_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
_AROUND_FIELD: Final = len(": \r\n")
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_OF_AN_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings"})


class ServiceConfig(uvicorn.Config):
    """uvicorn's settings, and ours for its connections."""

    def __init__(self, app: Any, *, header_seconds: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, ws="none", **options)
        self.header_seconds = header_seconds


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    A client that dribbles its header, or never ends it, is cut off; it is no POS of ours. Whatever two servers could
    read differently (a length beside chunks, two hosts, fields behind the body) is refused or has no effect. What
    cannot be read is never answered in place of a call before it that is still being worked on.
    """

    _in_header = True
    _header_bytes = 0
    """Received since the last request ended: bounds a header that has no end."""
    _field_bytes = 0
    """Of the request line and the fields that are complete: bounds one that came at once."""
    _fields = 0
    _upgrading = False
    _why = MALFORMED
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
    def shutdown(self) -> None:
        """The process ends: a connection on which a request has begun to come is left to answer it, and then closes."""
        begun = self._in_header and self._header_bytes > 0
        cycle = cast("RequestResponseCycle | None", self.cycle)
        idle = cycle is None or cycle.response_complete
        if not (idle and (begun or _has_something_to_read(self.transport))):
            super().shutdown()

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._header_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:  # ours, out of a callback, included
            self._refuse(self._why)
        else:
            if self._in_header and self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(HEADER_TOO_LARGE)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._field_bytes = self._fields = 0
        if self._timer is None:
            self._start_timer()

    @override
    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value) + _AROUND_FIELD)
        if self._in_header:  # and not behind a chunked body, when the call has been judged by its header
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._check_header()
        self._stop_timer()
        if self.parser.should_upgrade():
            self._upgrading = True
            return
        super().on_headers_complete()
        self._in_header = False

    @override
    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._stop_timer()
        super().on_message_complete()
        self._in_header = True
        self._header_bytes = 0

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_header and self.cycle.response_complete and not self.transport.is_closing():
            self._start_timer()  # nobody waits for the rest of this body, and it may not come for ever

    def _count(self, size: int) -> None:
        """Raises `ValueError`, which ends the reading, where the header has become too large."""
        self._field_bytes += size
        if self._field_bytes > MAX_HEADER_BYTES or self._fields > MAX_HEADERS:
            self._why = HEADER_TOO_LARGE
            raise ValueError("the header is too large")

    def _check_header(self) -> None:
        """What the parser lets pass and this service does not speak. Raises `ValueError`, which ends the reading."""
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if (
            version not in _VERSIONS
            or hosts > 1
            or (hosts == 0 and version == "1.1")
            or self.parser.get_method() == b"CONNECT"
            or any(name == b"transfer-encoding" and value.strip().lower() != b"chunked" for name, value in self.headers)
        ):
            raise ValueError("not a request of HTTP/1.1")

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Answer in HTTP/1.1, as the standard lets us: some clients offer HTTP/2 with every first call.

        The parser has taken the end of the header for the end of the request, so it reads it anew, without the offer.
        """
        self._upgrading = False
        self._header_bytes = 0
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = [b"%b: %b" % field for field in self.headers if field[0] not in _OF_AN_UPGRADE]
        head = [b"%b %b HTTP/%b" % (method, self.url, version), *fields, b"", b""]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.data_received(b"\r\n".join(head) + rest)

    def _start_timer(self) -> None:
        self._stop_timer()
        seconds = getattr(self.config, "header_seconds", 5.0)
        self._timer = self.loop.call_later(seconds, self._refuse, TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, why: Unreadable) -> None:
        """Say why, where it is this request's turn to be answered, and end the connection."""
        if self.transport.is_closing():
            return
        self._stop_timer()
        cycle = cast("RequestResponseCycle | None", self.cycle)  # as it is before the first request
        if cycle is not None and self._in_header and not cycle.response_complete:
            cycle.keep_alive = False  # the call before is answered, and then the connection ends
            self.flow.pause_reading()
            return
        answered = cycle is not None and not self._in_header and cycle.response_started
        if not (answered or self.pipeline):
            self.transport.write(why.answer(self.server_state.default_headers))
        self.transport.close()


def _has_something_to_read(transport: asyncio.Transport) -> bool:
    """Whether bytes have come that nobody has read yet."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
