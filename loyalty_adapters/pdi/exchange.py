"""One HTTP exchange: one request written at most once, one bounded answer read, and what it means if there is none."""

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from typing_extensions import override
from yarl import URL

from loyalty_adapters.pdi.settings import PdiSettings

_TOKEN_FETCHES: Final = 2
"""Connections beyond those of the bulkhead, so that a token can be fetched while all of it is taken."""

_CONNECT_SHARE: Final = 0.8
"""Connecting may take this much of what is left of a budget: less than all, so that a connection that was never made
is always told from an answer that never came."""


class NeverLeft(Exception):
    """No connection could be made, so nothing of the request can have been read. `reason` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoAnswer(Exception):
    """The request may have been read, and no answer can be made out. `reason` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer:
    """A whole answer: status, headers, body. The repr shows no body, for it may hold a name or a token."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @override
    def __repr__(self) -> str:
        return f"Answer(status={self.status}, {len(self.body)} bytes)"


class Exchanges:
    """The process's one HTTP session: keep-alive, no cookies, no redirects, no compression, no repeats.

    Async context manager; usable between entering and leaving it.
    """

    def __init__(self, settings: PdiSettings) -> None:
        self._settings = settings
        self._timeout = aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                limit=settings.max_in_flight + _TOKEN_FETCHES,
                keepalive_timeout=settings.keep_alive,
                # Made here, not at import as aiohttp's own is, so that the environment of this process decides.
                ssl=ssl.create_default_context(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            middlewares=(_written_once,),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "loyalty-service"},
            # The caller's deadline bounds the exchange as a whole; connecting has a bound of its own below.
            timeout=self._timeout,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, *, within: float, at_most: int
    ) -> Answer:
        """Write the request once and read the answer, `at_most` bytes of it.

        The caller enforces `within` (seconds) on the whole; here it bounds the time for connecting.

        Raises:
            NeverLeft: no connection; nothing was written.
            NoAnswer: cut, garbled, compressed or too long; the request may have been read.
        """
        if self._session is None:
            raise RuntimeError("the PDI client is not open")
        timeout = self._timeout
        if within * _CONNECT_SHARE < self._settings.connect_timeout:
            timeout = aiohttp.ClientTimeout(total=None, connect=within * _CONNECT_SHARE)
        try:
            response = await self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=timeout,
            )
            try:
                return Answer(response.status, response.headers, await _read(response, at_most))
            except BaseException:
                response.close()
                raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NeverLeft(_reason(error)) from error
        except (aiohttp.ClientError, _Interrupted, OSError, ValueError) as error:
            raise NoAnswer(_reason(error)) from error


async def _read(response: aiohttp.ClientResponse, at_most: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NoAnswer("compressed_answer")  # we asked for none, and an unpacked one has no bound
    if (response.content_length or 0) > at_most:
        raise NoAnswer("oversized_answer")
    body = b""
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > at_most:
            raise NoAnswer("oversized_answer")
    return body


class _Interrupted(Exception):
    """A connection was lost around a request. Not one of aiohttp's errors, because it sends again after those."""


async def _written_once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Left alone, aiohttp silently writes an idempotent request again when a kept-alive connection breaks under it.

    Whether anything is repeated, and with how much time left, is for the caller to say.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Interrupted from error


class _Connector(aiohttp.TCPConnector):
    """Hands out no connection that has something to say before it was asked.

    aiohttp checks that only when a connection goes back into the pool. A second reply to an old request that arrives
    later would be taken for the reply to the next one: another customer's points.
    """

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "name_not_resolved"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (aiohttp.ClientConnectorError, "connection_refused"),
    (aiohttp.ConnectionTimeoutError, "connection_timed_out"),
    (aiohttp.ClientPayloadError, "truncated_answer"),
    (aiohttp.ClientResponseError, "garbled_answer"),
    (_Interrupted, "connection_lost"),
    (aiohttp.ClientConnectionError, "connection_lost"),
)


def _reason(error: Exception) -> str:
    """A stable word: the error's own text names addresses."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "exchange_failed")
