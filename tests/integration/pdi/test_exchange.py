"""What is on the wire: one request per call, whatever happens to its connection, and answers with a bound."""

import asyncio
import gzip
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from loyalty_adapters.pdi import CircuitState, PdiClient
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.loyalty_host import HostNotSent, HostSilence, LoyaltyHost
from tests.integration.pdi.samples import (
    BASKET,
    CALCULATE_REPLY,
    CALLS,
    FINALIZE_REPLY,
    REPLIES,
    SESSION,
    STATUS_REPLY,
    order,
)
from tests.integration.pdi.wire_server import Act, Seen, WireServer, answering, http, listening

every_call = pytest.mark.parametrize("name", CALLS)


def client(server: WireServer, **changes: object) -> PdiClient:
    return PdiClient(server.settings(**changes), SystemClock())


def reply_to(name: str, within: float = 2.0) -> Callable[[LoyaltyHost], Awaitable[object]]:
    return lambda host: CALLS[name](host, within)


async def hang_up(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


@every_call
@pytest.mark.parametrize("cut", [hang_up, reset])
async def test_a_connection_that_breaks_under_a_request_is_not_tried_again(name: str, cut: Act) -> None:
    """On a kept-alive connection too, and for the GET too: one request on the wire, and the outcome is unknown."""
    async with WireServer(answering(http(REPLIES[name]))) as server, client(server) as host:
        await reply_to(name)(host)
        server.act = cut
        with pytest.raises(HostSilence):
            await reply_to(name)(host)
        assert len(server.calls(f"/{name}")) == 2
        assert server.seen[-1].connection == server.seen[-2].connection


@every_call
async def test_connections_are_kept_alive(name: str) -> None:
    """Ten calls in a row share one connection, and the token's is the same."""
    async with WireServer(answering(http(REPLIES[name]))) as server, client(server) as host:
        for _ in range(10):
            await reply_to(name)(host)
        assert len(server.seen) == 11
        assert {seen.connection for seen in server.seen} == {1}


@every_call
async def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next(name: str) -> None:
    """A second reply that arrives while the connection rests is dropped with it; the next call gets its own."""
    stale = REPLIES[name].replace(b"450", b"999").replace(b"5000", b"9999")
    async with WireServer(answering(http(REPLIES[name]))) as server, client(server) as host:
        first = await reply_to(name)(host)
        await server.say(http(stale))
        for _ in range(3):  # loopback has delivered it by now, and the loop reads it in its next turn
            await asyncio.sleep(0)
        assert first == await reply_to(name)(host)
        assert server.seen[-1].connection != server.seen[-2].connection


@every_call
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_not_followed(name: str, status: str) -> None:
    """A redirect leads nowhere: the token would follow it, and nobody knows who answers there."""
    async with WireServer(answering(http(b"", status, "Location: /elsewhere"))) as server, client(server) as host:
        with pytest.raises(HostSilence) as silent:
            await reply_to(name)(host)
        assert silent.value.reason == f"http_{status[:3]}"
        assert len(server.calls(f"/{name}")) == 1
        assert server.calls("/elsewhere") == []


async def test_cookies_are_not_kept() -> None:
    """PDI's sessions are named in bodies; a cookie would tie customers to one another."""
    answer = http(CALCULATE_REPLY, "200 OK", "Set-Cookie: who=1; Path=/")
    async with WireServer(answering(answer)) as server, client(server) as host:
        await host.calculate(SESSION, BASKET, within=2)
        await host.calculate(SESSION, BASKET, within=2)
        assert all("cookie" not in seen.headers for seen in server.seen)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """A few kilobytes that unpack to a gigabyte are refused by their header, unread."""
    bomb = gzip.compress(b" " * 50_000_000)
    async with WireServer(answering(http(bomb, "200 OK", "Content-Encoding: gzip"))) as server, client(server) as host:
        began = time.process_time()
        with pytest.raises(HostSilence) as silent:
            await host.calculate(SESSION, BASKET, within=2)
        assert silent.value.reason == "compressed_answer"
        assert time.process_time() - began < 0.1
        assert server.seen[-1].headers["accept-encoding"] == "identity"


def padded(size: int) -> bytes:
    return CALCULATE_REPLY + b" " * (size - len(CALCULATE_REPLY))


def chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("frame", [http, chunked])
async def test_an_answer_may_be_as_long_as_the_bound_and_no_longer(frame: Callable[[bytes], bytes]) -> None:
    """Announced or not, the first byte too many makes it no answer."""
    async with WireServer(answering(frame(padded(20_000)))) as server, client(server, max_answer_bytes=20_000) as host:
        assert (await host.calculate(SESSION, BASKET, within=2)).earned_points == 450
        server.act = answering(frame(padded(20_001)))
        with pytest.raises(HostSilence) as silent:
            await host.calculate(SESSION, BASKET, within=2)
        assert silent.value.reason == "oversized_answer"


async def test_an_answer_announced_as_too_long_is_not_waited_for() -> None:
    """Nothing of its body is read, and its connection is not used again."""
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"
    async with WireServer(answering(announced)) as server, client(server) as host:
        with pytest.raises(HostSilence) as silent:
            await host.calculate(SESSION, BASKET, within=30)
        assert silent.value.reason == "oversized_answer"
        server.act = answering(http(CALCULATE_REPLY))
        assert (await host.calculate(SESSION, BASKET, within=2)).earned_points == 450


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: none\r\nConnection: Upgrade\r\n\r\n",
        http(b"", "204 No Content"),
        http(b"{" * 100_000),
        http(b'{"padding":' + b"[" * 100_000),
        http(b"\xff\xfe" + CALCULATE_REPLY),
        http(CALCULATE_REPLY[:-1]),
        http(b"[" + CALCULATE_REPLY + b"]"),
        http(b"null"),
        http(CALCULATE_REPLY.replace(b"450", b'"450"')),
        http(CALCULATE_REPLY.replace(b"450", b"450.0")),
        http(CALCULATE_REPLY.replace(b"450", b"-450")),
        http(CALCULATE_REPLY.replace(b"450", b"9223372036854775808")),
        http(CALCULATE_REPLY.replace(b"450", b"true")),
        http(CALCULATE_REPLY.replace(b"450", b"null")),
        http(CALCULATE_REPLY.replace(b"3.0", b"-3.0")),
        http(CALCULATE_REPLY.replace(b"3.0", b"1e999999999")),
        http(CALCULATE_REPLY.replace(b"3.0", b"1e-999999999")),
        http(CALCULATE_REPLY.replace(b"3.0", b'"NaN"')),
        http(CALCULATE_REPLY.replace(b"3.0", b'"Infinity"')),
        http(CALCULATE_REPLY.replace(b'"earned', b'"sessionId":"sess_other","earned')),
    ],
)
async def test_what_cannot_be_read_or_believed_is_no_answer(answer: bytes) -> None:
    """Garbage at every level, from the status line to the last digit, leaves the outcome unknown."""

    async def answer_and_close(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with WireServer(answer_and_close) as server, client(server) as host:
        with pytest.raises(HostSilence):
            await host.calculate(SESSION, BASKET, within=2)
        assert len(server.calls("/calculateRewards")) == 1


@pytest.mark.parametrize(
    ("field", "other"),
    [(b"sess_abc123", b"sess_abc124"), (b"RCP-2025-001", b"RCP-2025-002"), (b'"finalized"', b'"active"')],
)
async def test_a_receipt_for_something_else_is_no_receipt(field: bytes, other: bytes) -> None:
    """Another session, another receipt, or a status that does not say booked: the outcome is unknown."""
    async with WireServer(answering(http(FINALIZE_REPLY.replace(field, other)))) as server, client(server) as host:
        with pytest.raises(HostSilence) as silent:
            await host.finalize(order(), within=2)
        assert silent.value.reason == "unreadable_answer"


@pytest.mark.parametrize(("field", "other"), [(b"sess_abc123", b"sess_abc124"), (b"RET-1", b"RET-2")])
async def test_an_answer_to_another_return_is_no_answer(field: bytes, other: bytes) -> None:
    """Another session or another return: the outcome is unknown."""
    answer = http(REPLIES["return"].replace(field, other))
    async with WireServer(answering(answer)) as server, client(server) as host:
        with pytest.raises(HostSilence):
            await CALLS["return"](host, 2)


async def test_a_report_on_another_session_is_no_report() -> None:
    """What PDI booked elsewhere says nothing of this sale."""
    other = STATUS_REPLY.replace(b"sess_abc123", b"sess_abc124")
    async with WireServer(answering(http(other))) as server, client(server) as host:
        with pytest.raises(HostSilence):
            await host.report(SESSION, within=2)


async def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    """The token is at hand, and PDI's port is shut. It counts against PDI all the same."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with WireServer(answering(b"")) as tokens:
            settings = tokens.settings(base_url=url, token_url=f"{tokens.url}/oauth/token")
            async with PdiClient(settings, SystemClock()) as host:
                for _ in range(5):
                    assert host.health().circuit is CircuitState.CLOSED
                    with pytest.raises(HostNotSent) as unsent:
                        await host.calculate(SESSION, BASKET, within=2)
                    assert unsent.value.reason == "connection_refused"
                    assert unsent.value.retry_after >= 1
                assert host.health().circuit is CircuitState.OPEN


async def test_a_name_that_does_not_resolve_means_that_nothing_was_sent() -> None:
    """`.invalid` never resolves (RFC 6761)."""
    async with WireServer(answering(b"")) as tokens:
        settings = tokens.settings(base_url="http://pdi.invalid", token_url=f"{tokens.url}/oauth/token")
        async with PdiClient(settings, SystemClock()) as host:
            with pytest.raises(HostNotSent) as unsent:
                await host.calculate(SESSION, BASKET, within=5)
    assert unsent.value.reason in {"name_not_resolved", "connection_timed_out"}


async def test_a_failed_tls_handshake_means_that_nothing_was_sent() -> None:
    """The server answers the handshake in plain text; no request was ever written."""

    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with WireServer(answering(b"")) as tokens, listening(speak_plainly) as port:
        settings = tokens.settings(base_url=f"https://127.0.0.1:{port}", token_url=f"{tokens.url}/oauth/token")
        async with PdiClient(settings, SystemClock()) as host:
            with pytest.raises(HostNotSent) as unsent:
                await host.calculate(SESSION, BASKET, within=2)
    assert unsent.value.reason in {"tls_failed", "connection_refused"}


@pytest.mark.parametrize(("within", "connect_timeout"), [(0.3, 2.0), (2.0, 0.2)])
async def test_a_handshake_that_hangs_means_that_nothing_was_sent(within: float, connect_timeout: float) -> None:
    """Connecting is bounded within the call's own time, so that its failure is told from an unanswered call."""

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with WireServer(answering(b"")) as tokens, listening(hang) as port:
        settings = tokens.settings(
            base_url=f"https://127.0.0.1:{port}",
            token_url=f"{tokens.url}/oauth/token",
            connect_timeout=connect_timeout,
        )
        async with PdiClient(settings, SystemClock()) as host:
            began = time.monotonic()
            with pytest.raises(HostNotSent) as unsent:
                await host.calculate(SESSION, BASKET, within=within)
            assert time.monotonic() - began < within
    assert unsent.value.reason == "connection_timed_out"
