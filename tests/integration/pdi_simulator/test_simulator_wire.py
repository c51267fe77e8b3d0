"""HTTP itself: what a framework would have given for free is held here."""

import asyncio

import pytest

from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi

HEALTH = b"GET /_sim/health HTTP/1.1\r\nHost: x\r\n"


async def test_pipelined_requests_are_answered_in_order(pdi: Pdi, caller: Caller) -> None:
    """Replies come in the order of the requests, also when the first is the slow one."""
    await pdi.faults("latency", latencyMs=100, endpoints=["identify"])
    slow = caller.request_bytes("POST", "/identify", {"customerId": "NOBODY", "channelId": "C", "transactionId": "T"})
    wire = await caller.raw(slow + HEALTH + b"Connection: close\r\n\r\n")
    assert wire.data.index(b"invalid_customer") < wire.data.index(b'"status":"ok"')
    assert wire.end == "fin"


@pytest.mark.parametrize("size", [1, 7])
async def test_a_request_in_crumbs_is_a_request(caller: Caller, size: int) -> None:
    """However the bytes are cut, the call is the same."""
    body = {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "T1"}
    request = caller.request_bytes("POST", "/identify", body, close=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.port)
    for start in range(0, len(request), size):
        writer.write(request[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
    assert b"John Doe" in await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_chunked_bodies_are_read(caller: Caller) -> None:
    """A client that does not know its length in advance is served."""
    head = caller.request_bytes("POST", "/identify", close=True).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    body = b'{"customerId":"CUST-12345","channelId":"POS-001","transactionId":"T1"}'
    chunked = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
    assert b"John Doe" in (await caller.raw(head + chunked)).data


async def test_expect_continue(caller: Caller) -> None:
    """A client that asks before it sends is told to go on."""
    wire = await caller.raw(
        b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
        b"Connection: close\r\n\r\nhello"
    )
    assert wire.data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /identify HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_100_000, 413),
        (HEALTH + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 413),
    ],
)
async def test_what_cannot_be_read_is_answered_and_closed(caller: Caller, request_bytes: bytes, status: int) -> None:
    """Malformed and oversized requests get their status and the connection's end."""
    wire = await caller.raw(request_bytes)
    assert status == int(wire.head.split(b" ")[1])
    assert wire.end in {"fin", "rst"}


async def test_wrong_content_type(caller: Caller) -> None:
    """PDI reads JSON only."""
    reply = await caller.post("/identify", b"{}", **{"Content-Type": "text/plain"})
    assert (reply.status, reply.body["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"customerId":1}', b'{"customerId":"\xff"}', b"[" * 100_000])
async def test_unreadable_json(caller: Caller, body: bytes) -> None:
    """Whatever is no such object is a 400 with a reason."""
    reply = await caller.post("/identify", body)
    assert (reply.status, reply.body["code"]) == (400, "invalid_request")


async def test_connections_that_come_and_go_leave_nothing(pdi: Pdi, caller: Caller) -> None:
    """After thousands of short connections the process is as large as before, and knows of none."""

    async def burst(count: int) -> None:
        for _ in range(count):
            await caller.raw(HEALTH + b"Connection: close\r\n\r\n")

    await burst(500)
    before = resident_kib(pdi.pid)
    await burst(3000)
    assert resident_kib(pdi.pid) - before < 3000
    # This call's own connection, and the one the test's client keeps.
    assert (await pdi.control("GET", "/_sim/health"))["connections"] <= 2


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - /proc has no paths worth an object
        [line] = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1])
