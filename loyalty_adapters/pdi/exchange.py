"""Exchanges with PDI: one request written at most once, one bounded answer read, and what it means if there is none."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from yarl import URL

from loyalty_adapters.pdi.connection import Answer, HttpConnection, NoAnswer
from loyalty_adapters.pdi.settings import PdiSettings

__all__ = ["Answer", "Exchanges", "NeverLeft", "NoAnswer"]

_CONNECT_SHARE: Final = 0.8
"""Connecting may take this much of what is left of a budget: less than all, so that a connection that was never made
is always told from an answer that never came."""
_ALWAYS: Final = "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: loyalty-service\r\n"


class NeverLeft(Exception):
    """No connection could be made, so nothing of the request can have been read. `reason` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Exchanges:
    """The process's connections to PDI: kept alive; no cookies, no redirects, no compression, no repeats.

    HTTP/1.1 by itself, not by a client library: one of those costs as much again as all the rest of a call, and each
    has to be kept from repeating what it was told to send once. Async context manager; usable between entering and
    leaving it.
    """

    def __init__(self, settings: PdiSettings) -> None:
        self._settings = settings
        self._resting: dict[URL, deque[HttpConnection]] = {}
        self._connections: set[HttpConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        addresses = (self._settings.base_url, self._settings.token_endpoint)
        if any(URL(address).scheme == "https" for address in addresses):
            self._tls = ssl.create_default_context()  # reads the machine's certificates: not in the time of a call
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if self._sweep is not None:
            self._sweep.cancel()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cut()
        for connection in connections:
            await connection.gone

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, *, within: float, at_most: int
    ) -> Answer:
        """Write the request once and read the answer, `at_most` bytes of it.

        The caller enforces `within` (seconds) on the whole; here it bounds the time for connecting.

        Raises:
            NeverLeft: no connection; nothing was written.
            NoAnswer: cut, garbled, compressed or too long; the request may have been read.
        """
        if not self._is_open:
            raise RuntimeError("the PDI client is not open")
        request = _written(method, url, headers, body)
        origin = url.origin()
        connection = self._rested(origin) or await self._connect(origin, within * _CONNECT_SHARE)
        try:
            answer = await connection.ask(request, at_most)
        except BaseException:
            connection.cut()
            raise
        self._rest(origin, connection)
        return answer

    # -- connections

    def _rested(self, origin: URL) -> HttpConnection | None:
        """The connection that was used last, of those that still can be."""
        resting = self._resting.get(origin)
        oldest = self._now() - self._settings.keep_alive
        while resting:
            connection = resting.pop()
            if connection.is_usable and connection.rests_since > oldest:
                return connection
            connection.cut()
        return None

    def _rest(self, origin: URL, connection: HttpConnection) -> None:
        if not connection.is_usable:
            return
        connection.rests_since = self._now()
        self._resting.setdefault(origin, deque()).append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._settings.keep_alive, self._close_the_idle)

    def _close_the_idle(self) -> None:
        """Close what has rested for too long; look again as long as there is anything that rests."""
        oldest = self._now() - self._settings.keep_alive
        for resting in self._resting.values():
            while resting and (resting[0].rests_since <= oldest or not resting[0].is_usable):
                resting.popleft().cut()
        self._sweep = None
        first = min((resting[0].rests_since for resting in self._resting.values() if resting), default=None)
        if first is not None:
            self._sweep = asyncio.get_running_loop().call_at(first + self._settings.keep_alive, self._close_the_idle)

    async def _connect(self, origin: URL, within: float) -> HttpConnection:
        loop = asyncio.get_running_loop()
        tls = None
        if origin.scheme != "http":
            if self._tls is None:
                raise RuntimeError("an address of the settings alone can be called")
            tls = self._tls
        try:
            async with asyncio.timeout(min(within, self._settings.connect_timeout)):
                _, connection = await loop.create_connection(
                    HttpConnection, str(origin.host), int(origin.port or 0), ssl=tls
                )
        except TimeoutError:
            raise NeverLeft("connection_timed_out") from None
        except OSError as error:
            raise NeverLeft(_reason(error)) from error
        self._connections.add(connection)
        connection.gone.add_done_callback(lambda _: self._connections.discard(connection))
        return connection

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _written(method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The whole request.

    Raises:
        ValueError: a header has a line break in it. Ours never do.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header is one line")
    size = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n{_ALWAYS}{lines}{size}\r\n"
    return head.encode("latin-1") + (body or b"")


def _reason(error: OSError) -> str:
    """A stable word: the error's own text names addresses."""
    if isinstance(error, socket.gaierror):
        return "name_not_resolved"
    return "tls_failed" if isinstance(error, ssl.SSLError) else "connection_refused"
