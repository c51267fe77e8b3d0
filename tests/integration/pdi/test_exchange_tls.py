"""Exchanges over TLS: with a server that is trusted, with one that is not, and with one of another name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from yarl import URL

from loyalty_adapters.pdi.exchange import Exchanges, NeverLeft
from loyalty_adapters.pdi.settings import PdiSettings
from tests.integration.pdi.wire_server import http

_KEPT: Final = Path(__file__).parents[2] / "web" / "tls"
_CERTIFICATE: Final = _KEPT / "certificate.pem"


@asynccontextmanager
async def tls_server(host: str = "127.0.0.1") -> AsyncIterator[tuple[int, list[int]]]:
    """A port that answers `ok` to every request, and the connection on which each came."""
    seen: list[int] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_CERTIFICATE, _KEPT / "key.pem")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                seen.append(id(writer))
                writer.write(http(b"ok"))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(converse, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()


async def _ask(exchanges: Exchanges, url: str) -> bytes:
    answer = await exchanges.send("GET", URL(url), {}, None, within=5, at_most=100)
    return answer.body


def _exchanges(url: str) -> Exchanges:
    return Exchanges(PdiSettings(base_url=url, client_id="id", client_secret="secret"))


async def test_a_trusted_server_is_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's certificates decide, `SSL_CERT_FILE` included; the connection is kept for the next request."""
    monkeypatch.setenv("SSL_CERT_FILE", str(_CERTIFICATE))
    async with tls_server() as (port, seen):
        url = f"https://localhost:{port}"
        async with _exchanges(url) as exchanges:
            assert [b"ok", b"ok"] == [await _ask(exchanges, url), await _ask(exchanges, url)]
        assert 2 == len(seen)
        assert 1 == len(set(seen))


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", False), ("127.0.0.2", True)])
async def test_another_server_is_told_nothing(monkeypatch: pytest.MonkeyPatch, host: str, *, trusted: bool) -> None:
    """Neither one whose certificate nobody trusts, nor one whose certificate is for another name."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(_CERTIFICATE))
    async with tls_server(host) as (port, seen):
        url = f"https://{host}:{port}"
        async with _exchanges(url) as exchanges:
            with pytest.raises(NeverLeft) as never:
                await _ask(exchanges, url)
        assert "tls_failed" == never.value.reason
        assert [] == seen


async def test_an_answer_may_end_with_its_connection() -> None:
    """Without a length, the end of the connection is the end of the answer; the next request takes another."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with _exchanges(url) as exchanges:
            assert [b"to the end"] * 2 == [await _ask(exchanges, url), await _ask(exchanges, url)]
    finally:
        server.close()


async def test_connections_that_rest_are_closed() -> None:
    """After `keep_alive` seconds without a call, and the one that was used since lives on."""
    ended = asyncio.Semaphore(0)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(http(b"ok"))
        except (asyncio.IncompleteReadError, ConnectionError):
            ended.release()
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = PdiSettings(base_url=url, client_id="id", client_secret="secret", keep_alive=0.1)
    try:
        async with Exchanges(settings) as exchanges:
            await asyncio.gather(_ask(exchanges, url), _ask(exchanges, url))
            async with asyncio.timeout(10):
                await ended.acquire()
                await ended.acquire()
            assert b"ok" == await _ask(exchanges, url)
    finally:
        server.close()
