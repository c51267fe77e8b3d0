"""HTTP/1.1 over one connection, down to the bytes.

A framework would be shorter, but each fault is a promise about bytes (half a body, two replies for one request, a
reset without a word) and a framework's writer exists to prevent exactly those. It is also what keeps a call at some
tens of microseconds, so that the simulator is not what a benchmark measures.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import httptools
from typing_extensions import override

from loyalty_adapters.pdi_simulator.messages import Rejection, Reply, Request

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_PIPELINED: Final = 32
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
LAST_CHUNK: Final = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Exchange:
    """One request and the right to answer it, well or badly.

    Once ended (answered, cut, reset, or the client hung up) every further act is a no-op, so a fault that wakes up late
    cannot write into the next exchange of the same connection.
    """

    __slots__ = ("_connection", "ended", "on_end", "request")

    def __init__(self, connection: "Connection", request: Request) -> None:
        self._connection = connection
        self.request = request
        self.ended = False
        self.on_end: Callable[[int | None], None] | None = None

    def reply(self, reply: Reply) -> None:
        """Answers properly and frees the connection for its next request."""
        if self.ended:
            return
        keep_alive = self._connection.keep_alive
        if self.request.method == "HEAD":
            self.write(reply.head(keep_alive=keep_alive))
        else:
            self.write(reply.encode(keep_alive=keep_alive))
        self.finish(reply.status)

    def write(self, data: bytes) -> None:
        """Puts raw bytes on the wire."""
        if not self.ended:
            self._connection.transport.write(data)

    async def drain(self) -> None:
        """Waits until the client has taken enough of what was written."""
        if not self.ended:
            await self._connection.writable()

    def finish(self, status: int | None) -> None:
        """The request has its answer; the connection goes on to the next."""
        if self.end(status):
            self._connection.next_exchange()

    def cut(self) -> None:
        """Closes the connection (FIN after what was written)."""
        if self.end(None):
            self._connection.transport.close()

    def reset(self) -> None:
        """Cuts the connection with an RST: linger zero discards whatever was not yet sent."""
        if self.end(None):
            raw = cast("socket.socket", self._connection.transport.get_extra_info("socket"))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._connection.transport.abort()

    def end(self, status: int | None) -> bool:
        """Marks the exchange as over; true the first time. `status` is None where no whole reply was sent."""
        if self.ended:
            return False
        self.ended = True
        if self.on_end is not None:
            self.on_end(status)
            self.on_end = None
        return True


class Connection(asyncio.Protocol):
    """One client connection: parses requests and hands them out one at a time, in order."""

    transport: asyncio.Transport

    def __init__(self, serve: Callable[[Exchange], None], open_connections: "set[Connection]") -> None:
        self.keep_alive = True
        self._serve = serve
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._current: Exchange | None = None
        self._can_write: asyncio.Future[None] | None = None
        self._refused = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._size = 0

    # --- what the event loop says

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._waiting.clear()
        if self._current is not None:
            self._current.end(None)
            self._current = None
        # The parser holds this object's methods: without the cycle nothing here waits for the garbage collector.
        del self._parser
        self.resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(Rejection(400, "malformed_request", "This is not a well-formed HTTP/1.1 request."))

    @override
    def pause_writing(self) -> None:
        self._can_write = asyncio.get_running_loop().create_future()

    @override
    def resume_writing(self) -> None:
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        self._can_write = None

    # --- what the parser says; the names are its

    def on_message_begin(self) -> None:
        """A request starts."""
        self._target = b""
        self._headers = {}
        self._body = b""
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url
        self._count(len(url), MAX_HEAD_BYTES)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count(len(name) + len(value), MAX_HEAD_BYTES)

    def on_headers_complete(self) -> None:
        """The head is in; the body counts afresh."""
        self._size = 0
        if self._headers.get("expect", "").lower() == "100-continue" and self._current is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body, chunked or not."""
        self._count(len(body), MAX_BODY_BYTES)
        if not self._refused:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """A request is in: serve it, or let it wait its turn."""
        if self._refused:
            return
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, self._target.decode("latin-1"), self._headers, self._body)
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._current is None:
            self.next_exchange()
        elif len(self._waiting) > MAX_PIPELINED:
            self._refuse(Rejection(400, "too_many_pipelined", f"At most {MAX_PIPELINED} requests may wait in line."))

    # --- what an exchange needs

    def next_exchange(self) -> None:
        """Starts the next waiting request, or closes where the last one said so."""
        self._current = None
        if not self.keep_alive:
            self.transport.close()
        elif self._waiting and not self.transport.is_closing():
            request, self.keep_alive = self._waiting.popleft()
            self._current = Exchange(self, request)
            self._serve(self._current)

    async def writable(self) -> None:
        """Returns once the send buffer is below its high-water mark (or the connection is gone)."""
        if self._can_write is not None:
            await asyncio.shield(self._can_write)

    def _count(self, size: int, limit: int) -> None:
        self._size += size
        if self._size > limit:
            self._refuse(Rejection(413, "too_large", f"At most {limit} bytes are read here."))

    def _refuse(self, rejection: Rejection) -> None:
        """Answers what cannot be served and closes; what is still in flight gets no reply in the wrong order."""
        if not self._refused:
            self._refused = True
            self._waiting.clear()
            if self._current is None:
                self.transport.write(rejection.reply().encode(keep_alive=False))
            self.transport.close()
