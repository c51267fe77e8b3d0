"""What one request may cost: bytes and seconds, for its header and its body."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from loyalty_web.http_protocol import MAX_HEADER_BYTES
from loyalty_web.request_bodies import MAX_BODY_BYTES
from tests.web.service import GOLD, Service


async def raw(service: Service, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the service answers to bytes sent as they are, until it closes the connection or has answered once."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(5):
            return await reader.read(65536)
    finally:
        writer.close()


def head(service: Service, *headers: str) -> bytes:
    lines = ["POST /cancel HTTP/1.1", "Host: test", f"Authorization: Bearer {service.key}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode()


async def test_a_body_of_300_kib_is_refused(service: Service) -> None:
    """413 with the bound, whether the length was announced or not; the largest allowed body is read."""
    large = json.dumps({"sessionId": "x" * 300 * 1024}).encode()
    refused = await service.post("/cancel", large)
    assert (413, "body_too_large") == refused.refusal
    assert str(MAX_BODY_BYTES) in refused.json["detail"]
    allowed = json.dumps({"sessionId": "x" * (MAX_BODY_BYTES - 17)}).encode()
    assert MAX_BODY_BYTES == len(allowed)
    assert (404, "session_not_found") == (await service.post("/cancel", allowed)).refusal


async def test_a_chunked_body_of_300_kib_is_refused(service: Service) -> None:
    """A body without an announced length is counted as it comes."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 1024

    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}
    async with service.client.post(f"{service.url}/cancel", data=chunks(), headers=headers) as response:
        assert (413, "body_too_large") == (response.status, (await response.json())["code"])


async def test_only_json_is_taken(service: Service) -> None:
    """Forms and texts are 415, and so is what would have to be unpacked; JSON with a character set is JSON."""
    body = {"sessionId": "s"}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        reply = await service.post("/cancel", body, headers={"Content-Type": kind})
        assert (415, "unsupported_media_type") == reply.refusal
    packed = await service.post("/cancel", gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert (415, "unsupported_media_type") == packed.refusal
    reply = await service.post("/cancel", body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert (404, "session_not_found") == reply.refusal


async def test_a_body_that_dribbles_is_cut_off(service: Service) -> None:
    """A body that does not arrive in its time is 408, and the connection ends."""
    answer = await raw(service, head(service, "Content-Length: 100"), b"{", pause=0.35)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert b"connection: close" in answer.lower()


async def test_a_header_that_dribbles_is_cut_off(service: Service) -> None:
    """A header that does not arrive in its time costs a connection for no longer than that."""
    for beginning in (b"", b"POST /cancel HTTP/1.1\r\nHost: test\r\nX-Slow: "):
        answer = await raw(service, beginning)
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_header_without_end_is_cut_off(service: Service) -> None:
    """A header is never collected beyond its bound, in one field or in many."""
    endless = b"GET /health HTTP/1.1\r\nHost: test\r\nX-Large: " + b"x" * (MAX_HEADER_BYTES + 1)
    assert (await raw(service, endless)).startswith(b"HTTP/1.1 431 ")


async def test_one_connection_serves_many_calls(service: Service) -> None:
    """The bounds are of each request, not of the connection."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    padding = "x" * (MAX_HEADER_BYTES // 2)
    for _ in range(4):
        writer.write(f"GET /health HTTP/1.1\r\nHost: test\r\nX-Padding: {padding}\r\n\r\n".encode())
        answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(0.2)
    writer.close()


async def test_only_well_formed_names_are_echoed(service: Service) -> None:
    """A caller's trace and request id are taken over if they are some, and made here if they are not."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = {"customerId": GOLD, "channelId": "KIOSK", "transactionId": "T"}
    given = await service.post("/identify", body, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert trace == given.json["traceId"]
    wrong_traces = (
        f"ff-{trace}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{trace.upper()}-b7ad6b7169203331-01",
        f"00-{trace}-b7ad6b7169203331-01-more",
        "nonsense",
    )
    for wrong in wrong_traces:
        made = await service.post("/identify", body, headers={"traceparent": wrong})
        assert trace != made.json["traceId"]
        assert 32 == len(made.json["traceId"])
    named = await service.get("/health", headers={"X-Request-Id": "till-7:42"})
    assert "till-7:42" == named.headers["X-Request-Id"]
    for wrong in ("a b", "x" * 65, "<script>"):
        assert wrong != (await service.get("/health", headers={"X-Request-Id": wrong})).headers["X-Request-Id"]


async def test_strangers_pages_get_no_permission(service: Service) -> None:
    """No page of another origin is allowed to call the service."""
    reply = await service.get("/health", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]
