"""One kept-alive HTTP/1.1 connection: a request is written in one piece, and one bounded answer is read."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from typing_extensions import override

MAX_HEAD: Final = 32 * 1024
"""Bytes of an answer before its body. A longer one is none."""
_INFORMATIONAL: Final = range(100, 200)


class NoAnswer(Exception):
    """The request may have been read, and no answer can be made out. `reason` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer:
    """A whole answer: status, headers (names in lower case), body.

    The repr shows no body, for it may hold a name or a token.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @override
    def __repr__(self) -> str:
        return f"Answer(status={self.status}, {len(self.body)} bytes)"


class _Surplus(Exception):
    """Ends the reading of what has arrived behind an answer."""


class HttpConnection(asyncio.Protocol):
    """One connection to a server; one request at a time.

    What arrives while nobody asks is never kept for whoever asks next: a second reply to an old request, taken for the
    reply to a new one, would be another customer's points. The connection is then closed.
    """

    def __init__(self) -> None:
        self.gone: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        """Done when the connection is."""
        self.rests_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._at_most = 0
        self._begin()

    def _begin(self) -> None:
        """Nothing of the next answer has arrived."""
        self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._received = 0
        self._head_is_whole = False
        self._is_whole = False
        self._is_kept_alive = False

    @property
    def is_usable(self) -> bool:
        """Whether another request may be written."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, at_most: int) -> Answer:
        """Write `request` and read its answer, `at_most` bytes of body. Whoever is cancelled here has to `cut` it.

        Raises:
            NoAnswer: cut, garbled, compressed or too long; the request may have been read.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NoAnswer("connection_lost")
        self._at_most = at_most
        self._waiter = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def cut(self) -> None:
        """End it at once, whatever is still on its way."""
        if self._transport is not None:
            self._transport.abort()

    # -- what asyncio tells

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # always one for TCP
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.cut()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._is_whole:
                refused = error.__context__  # what one of the parser's own calls to us has raised
                self._fail(refused.reason if isinstance(refused, NoAnswer) else "garbled_answer")
                return
            self._is_kept_alive = False  # the answer came, and something after it that nobody has asked for
        if self._is_whole:
            self._finish()
        elif self._received - self._size > MAX_HEAD + (self._at_most if self._head_is_whole else 0):
            self._fail("garbled_answer")  # a head without an end, or a body in crumbs

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_is_whole and exc is None and self._ends_with_the_connection():
            self._finish()
        else:
            self._fail("truncated_answer" if self._head_is_whole else "connection_lost")
        if not self.gone.done():
            self.gone.set_result(None)

    # -- what the parser tells

    def on_message_begin(self) -> None:
        """Nothing is wanted of what comes after an answer."""
        if self._is_whole:
            raise _Surplus

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; of several alike the first counts, and trailers do not."""
        if not self._head_is_whole:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Judge what is announced, before any of it is read."""
        self._status = self._parser.get_status_code()
        if self._status in _INFORMATIONAL:
            return
        self._head_is_whole = True
        if self._headers.get("content-encoding", "identity") != "identity":
            raise NoAnswer("compressed_answer")  # we asked for none, and an unpacked one has no bound
        if int(self._headers.get("content-length", 0)) > self._at_most:
            raise NoAnswer("oversized_answer")

    def on_body(self, part: bytes) -> None:
        """Some of the body."""
        self._size += len(part)
        if self._size > self._at_most:
            raise NoAnswer("oversized_answer")
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it only said that one will come."""
        if self._head_is_whole:
            self._is_whole = True
            self._is_kept_alive = self._parser.should_keep_alive()
        else:
            self._headers = {}

    # -- its end

    def _ends_with_the_connection(self) -> bool:
        return "content-length" not in self._headers and "transfer-encoding" not in self._headers

    def _finish(self) -> None:
        answer = Answer(self._status, self._headers, b"".join(self._parts))
        if not self._is_kept_alive and self._transport is not None:
            self._transport.close()
        self._begin()
        self._tell(lambda waiter: waiter.set_result(answer))

    def _fail(self, reason: str) -> None:
        self.cut()
        self._tell(lambda waiter: waiter.set_exception(NoAnswer(reason)))

    def _tell(self, how: Any) -> None:
        if self._waiter is not None and not self._waiter.done():
            how(self._waiter)
