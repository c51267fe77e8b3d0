"""Speaks PDI's API by hand: what any client could send, and the reply as it came."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Self

import aiohttp

from tests.pdi import Pdi

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(client_id: str, client_secret: str) -> dict[str, str]:
    """Credentials as basic authentication carries them."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()}


@dataclass
class Reply:
    """What came back; `body` keeps amounts exact."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.text, parse_float=Decimal)


class Caller:
    """A client with a token of its own; `async with Caller(pdi) as caller`."""

    def __init__(self, pdi: Pdi) -> None:
        self._pdi = pdi
        self.port = pdi.port
        self.token = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self.fetch_token()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def send(self, method: str, path: str, data: bytes, headers: Mapping[str, str]) -> Reply:
        """Exactly these bytes, exactly these headers."""
        async with self._http.request(method, self._pdi.url + path, data=data, headers=dict(headers)) as response:
            return Reply(response.status, response.headers.copy(), await response.text())

    async def fetch_token(self) -> str:
        """A fresh token, used from now on."""
        headers = FORM | basic(self._pdi.client_id, self._pdi.client_secret)
        reply = await self.send("POST", "/oauth/token", b"grant_type=client_credentials", headers)
        self.token = reply.body["access_token"]
        return self.token

    async def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> Reply:
        """A call with the token and, where given, an idempotency key; `body` may be bytes."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        if key is not None:
            sent["Idempotency-Key"] = key
        return await self.send("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), sent)

    async def identify(self, transaction: str, customer: str = "CUST-12345", channel: str = "POS-001") -> Reply:
        """`POST /identify`."""
        body = {"customerId": customer, "channelId": channel, "transactionId": transaction}
        return await self.post("/identify", body)

    async def session(self, transaction: str, customer: str = "CUST-12345", channel: str = "POS-001") -> str:
        """The PDI session of an identify that must succeed."""
        reply = await self.identify(transaction, customer, channel)
        assert reply.status == 200, reply.text
        session_id: str = reply.body["sessionId"]
        return session_id

    async def calculate(self, session_id: str, amount: float = 150, **more: Any) -> Reply:
        """`POST /calculateRewards`."""
        body = {"sessionId": session_id, "transactionAmount": amount, "items": [{"sku": "SKU-001", "qty": 2}], **more}
        return await self.post("/calculateRewards", body)

    async def finalize(self, session_id: str, transaction: str, key: str | None = "k:1", **more: Any) -> Reply:
        """`POST /finalize` of 150.00 with rewards."""
        body = {
            "sessionId": session_id,
            "transactionId": transaction,
            "finalAmount": 150,
            "applyRewards": True,
            **more,
        }
        return await self.post("/finalize", body, key)

    async def give_back(self, session_id: str, points: int, key: str | None = "r:1", **more: Any) -> Reply:
        """`POST /return`."""
        return await self.post(
            "/return", {"sessionId": session_id, "returnId": "R1", "pointsReversed": points, **more}, key
        )

    async def status(self, session_id: str) -> Reply:
        """`GET /getSessionStatus`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.send("GET", f"/getSessionStatus?sessionId={session_id}", b"", headers)

    def request_bytes(
        self, method: str, path: str, body: Any = None, key: str | None = None, *, close: bool = False
    ) -> bytes:
        """One whole request as raw bytes, for a socket of one's own; `close` asks for the connection's end."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: pdi", f"Authorization: Bearer {self.token}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        lines += [] if key is None else [f"Idempotency-Key: {key}"]
        lines += ["Connection: close"] if close else []
        return "\r\n".join([*lines, "", ""]).encode() + data

    async def raw(self, request: bytes, *, seconds: float = 5) -> "Wire":
        """Sends `request` on a connection of its own and reads until the other side ends it, at most `seconds`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._pdi.port)
        wire = Wire()
        try:
            writer.write(request)
            async with asyncio.timeout(seconds):
                while data := await reader.read(65_536):
                    wire.data += data
                    wire.reads += 1
            wire.end = "fin"
        except ConnectionResetError:
            wire.end = "rst"
        except TimeoutError:
            wire.end = "open"
        finally:
            writer.close()
        return wire


@dataclass
class Wire:
    """What a raw connection showed: the bytes, in how many reads, and its end (`fin`, `rst`, still `open`)."""

    data: bytes = b""
    reads: int = 0
    end: str = ""

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def content_length(self) -> int:
        return int(self.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
