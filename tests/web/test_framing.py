"""Where a request begins and ends: one reading, whatever is sent, and no answer that belongs to somebody else."""

import asyncio
import json
from typing import Final

import pytest

from tests.web.service import Service
from tests.wire import Answer, conversation

BODY: Final = b'{"sessionId":"x"}'
NEXT: Final = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LENGTH: Final = b"Content-Length: 17\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS: Final = b"11\r\n" + BODY + b"\r\n0\r\n\r\n"


def cancel(
    shared: Service, fields: bytes, rest: bytes, *, host: bytes = b"Host: a\r\n", version: bytes = b"HTTP/1.1"
) -> bytes:
    """`POST /cancel` with a good key, more header fields, and what follows the header."""
    known = b"Authorization: Bearer " + shared.key.encode() + b"\r\nContent-Type: application/json\r\n"
    return b"POST /cancel " + version + b"\r\n" + host + known + fields + b"\r\n" + rest


TWO_READINGS: Final = {
    "a length and chunks": LENGTH + CHUNKED,
    "chunks and a length": CHUNKED + b"Content-Length: 5\r\n",
    "two lengths": LENGTH + b"Content-Length: 5\r\n",
    "the same length twice": LENGTH + LENGTH,
    "a list of lengths": b"Content-Length: 17, 17\r\n",
    "a negative length": b"Content-Length: -1\r\n",
    "a signed length": b"Content-Length: +17\r\n",
    "a hexadecimal length": b"Content-Length: 0x11\r\n",
    "a length beyond all integers": b"Content-Length: 99999999999999999999999\r\n",
    "a space before the colon": b"Content-Length : 17\r\n",
    "a coding nobody knows": b"Transfer-Encoding: xchunked\r\n",
    "chunked, but not last": b"Transfer-Encoding: chunked, identity\r\n",
    "compressed in transfer": b"Transfer-Encoding: gzip, chunked\r\n",
    "two codings": CHUNKED + b"Transfer-Encoding: identity\r\n",
    "a coding behind a control character": b"Transfer-Encoding: \x0bchunked\r\n",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n",
    "a folded field": b"X-Folded: a\r\n b\r\n" + LENGTH,
    "a field without a colon": b"nothing\r\n" + LENGTH,
    "a field without a name": b": a\r\n" + LENGTH,
    "a name with a space": b"X Y: a\r\n" + LENGTH,
    "a NUL in a value": b"X-A: a\x00b\r\n" + LENGTH,
    "a lone carriage return": b"X-A: a\rb\r\n" + LENGTH,
    "a terminal's escape": b"X-A: \x1b[31m\r\n" + LENGTH,
    "two hosts": b"Host: b\r\n" + LENGTH,
}


def is_refusal(answer: Answer, status: int = 400, code: str = "malformed_request") -> bool:
    """A whole problem, with which the connection ends."""
    assert (status, code) == (answer.status, answer.json["code"])
    assert "application/problem+json" == answer.headers["content-type"]
    assert answer.json["traceId"] == answer.headers["x-request-id"]
    return answer.closes


@pytest.mark.parametrize("fields", TWO_READINGS.values(), ids=TWO_READINGS)
async def test_what_could_be_read_in_two_ways_is_not_read(shared: Service, fields: bytes) -> None:
    """A request whose end two servers might see in two places is refused, and what follows is no request."""
    for rest in (BODY + NEXT, b"0\r\n\r\n" + NEXT):
        answers, ended = await conversation(shared.url, cancel(shared, fields, rest))
        assert [True] == [is_refusal(answer) for answer in answers]
        assert ended


BROKEN_CHUNKS: Final = {
    "no number": b"zz\r\n" + BODY,
    "a negative size": b"-1\r\n" + BODY,
    "a size beyond all integers": b"FFFFFFFFFFFFFFFFF\r\n" + BODY,
    "a chunk longer than it says": b"11\r\n" + BODY + b"XX0\r\n\r\n",
    "lines without carriage returns": b"11\n" + BODY + b"\n0\n\n",
}


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
async def test_broken_chunks_end_the_call(shared: Service, chunks: bytes) -> None:
    """The call is refused once; nothing behind it is taken for another."""
    answers, ended = await conversation(shared.url, cancel(shared, CHUNKED, chunks + NEXT))
    assert [True] == [is_refusal(answer) for answer in answers]
    assert ended


NOT_OURS: Final = {
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/2 in the request line": b"GET /health HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version nobody knows": b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "lines without carriage returns": b"GET /health HTTP/1.1\nHost: a\n\n",
    "a method in small letters": b"get /health HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method nobody knows": b"A" * 100 + b" /health HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no path": b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n",
    "half an address": b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a port beyond all ports": b"GET http://a:999999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the path": b"GET /hea\x00lth HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes in the path": b"GET /hea\xfflth HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("request_", NOT_OURS.values(), ids=NOT_OURS)
async def test_what_is_not_http_1_1_is_refused(shared: Service, request_: bytes) -> None:
    """With a problem, and the connection ends."""
    answers, ended = await conversation(shared.url, request_ + NEXT)
    assert [True] == [is_refusal(answer) for answer in answers]
    assert ended


LARGE: Final = {
    "one field of 40 KiB": b"X-Large: " + b"x" * 40_000 + b"\r\n",
    "one field of 200 KiB": b"X-Large: " + b"x" * 200_000 + b"\r\n",
    "many fields": b"a: b\r\n" * 101,
    "many large fields": b"".join(b"X-%d: %b\r\n" % (number, b"x" * 500) for number in range(90)),
}


@pytest.mark.parametrize("fields", LARGE.values(), ids=LARGE)
async def test_a_header_that_comes_at_once_is_bounded_too(shared: Service, fields: bytes) -> None:
    """32 KiB and 100 fields, however few segments they come in."""
    answers, ended = await conversation(shared.url, b"GET /health HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    assert [True] == [is_refusal(answer, 431, "header_too_large") for answer in answers]
    assert ended
    (long_line, *_), _ = await conversation(
        shared.url, b"GET /health?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert 431 == long_line.status


async def test_fields_behind_the_body_have_no_effect(shared: Service) -> None:
    """A call is judged by its header; what a client appends to a chunked body changes nothing, and is bounded."""
    trailers = b"If-Match: nonsense\r\nX-API-Key: x\r\nX-Request-Id: appended\r\n"
    (answer, _), _ = await conversation(
        shared.url, cancel(shared, CHUNKED, b"11\r\n" + BODY + b"\r\n0\r\n" + trailers + b"\r\n") + NEXT
    )
    assert (404, "session_not_found") == (answer.status, answer.json["code"])
    assert "appended" != answer.headers["x-request-id"]
    answers, ended = await conversation(
        shared.url, cancel(shared, CHUNKED, b"11\r\n" + BODY + b"\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n")
    )
    assert ended
    assert [] == [answer.status for answer in answers if answer.status not in {404, 431}]


async def test_a_call_is_answered_by_its_own_answer(shared: Service) -> None:
    """Bytes behind a call that nobody can read never give it their 400: the call may well have happened."""
    opening = {"customerId": "CUST-12345", "channelId": "POS-2", "transactionId": "T-FRAMING"}
    body = json.dumps(opening).encode()
    fields = b"Authorization: Bearer %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    head = b"POST /identify HTTP/1.1\r\nHost: a\r\n" + fields % (shared.key.encode(), len(body)) + b"\r\n"
    (opened,), ended = await conversation(shared.url, head + body + b"}}}} garbage\r\n\r\n")
    assert (201, "active") == (opened.status, opened.json["status"])
    assert opened.closes
    assert ended
    undo = json.dumps({"sessionId": opened.json["sessionId"]}).encode()
    length = b"Content-Length: %d\r\n" % len(undo)
    assert [200, 200] == [
        answer.status for answer in (await conversation(shared.url, cancel(shared, length, undo) + NEXT))[0]
    ]


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
async def test_an_offer_of_another_protocol_is_declined(shared: Service, offer: bytes) -> None:
    """The call is answered in HTTP/1.1, body included, and the connection goes on: some clients always offer."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offer + b"\r\nHTTP2-Settings: AAMAAABk\r\n"
    for fields, body in ((LENGTH, BODY), (CHUNKED, IN_CHUNKS)):
        answers, _ = await conversation(shared.url, cancel(shared, upgrade + fields, body) + NEXT)
        assert [404, 200] == [answer.status for answer in answers]


async def test_a_body_nobody_waits_for_is_not_waited_for(shared: Service) -> None:
    """Whoever is refused before the body is read may not hold the connection by dribbling it."""
    head = b"POST /cancel HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    async with asyncio.timeout(20):
        answers, ended = await conversation(shared.url, head, *([b"x"] * 1000), pause=0.02)
    assert [401] == [answer.status for answer in answers]
    assert ended


async def test_many_calls_at_once_are_answered_in_order(shared: Service) -> None:
    """500 calls in one write: 500 answers, and the names they were given come back in their order."""
    calls = [b"GET /health HTTP/1.1\r\nHost: a\r\nX-Request-Id: call-%d\r\n\r\n" % number for number in range(500)]
    answers, _ = await conversation(shared.url, b"".join(calls) + NEXT)
    assert [f"call-{number}" for number in range(500)] == [answer.headers["x-request-id"] for answer in answers[:500]]
