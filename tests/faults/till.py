"""A POS terminal's side of the wire: one call, and what became of it, nothing included."""

import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

CHANNEL: Final = "POS-001"


class Heard(NamedTuple):
    """What a POS heard of one call. Without a status nothing usable came back: refused, cut, or not in time."""

    call: str
    status: int | None
    body: bytes
    headers: Mapping[str, str]
    took: float
    """Seconds."""

    @property
    def json(self) -> Any:
        """The body, read as any POS would."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code; None where it is no problem."""
        return None if self.status is None or self.status < 400 else self.json.get("code")


class Till:
    """Speaks to one of several replicas, as through a load balancer. Async context manager."""

    def __init__(self, urls: Sequence[str], key: str, *, patience: float) -> None:
        """It hangs up after `patience` seconds."""
        self._urls = tuple(urls)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=patience)
        self._turn = 0
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._client is not None
        await self._client.close()

    async def call(self, call: str, body: Any = None, *, at: int | None = None) -> Heard:
        """Make `call` once, at replica `at` or at the next one in turn; GET where there is no body."""
        self._turn += 1
        began = time.monotonic()
        try:
            return await self.send(call, body, self._turn if at is None else at)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Heard(call, None, b"", {}, time.monotonic() - began)

    async def send(self, call: str, body: Any, at: int) -> Heard:
        """What replica `at` answers to `call`; whatever aiohttp raises where nothing usable comes back."""
        assert self._client is not None
        url = f"{self._urls[at % len(self._urls)]}/{call}"
        content = None if body is None else json.dumps(body).encode()
        began = time.monotonic()
        async with self._client.request(
            "GET" if body is None else "POST", url, data=content, headers=self._headers
        ) as response:
            read = await response.read()
            return Heard(call, response.status, read, response.headers, time.monotonic() - began)

    # -- the calls of a sale

    async def identify(self, transaction: str, customer: str, *, at: int | None = None) -> Heard:
        """`POST /identify`."""
        body = {"customerId": customer, "channelId": CHANNEL, "transactionId": transaction}
        return await self.call("identify", body, at=at)

    async def calculate(self, session: str, amount: float, *, at: int | None = None) -> Heard:
        """`POST /calculateRewards` for a basket of one unnamed line."""
        return await self.call("calculateRewards", {"sessionId": session, "transactionAmount": amount}, at=at)

    async def finalize(self, session: str, transaction: str, amount: float, *, at: int | None = None) -> Heard:
        """`POST /finalize` for what was quoted."""
        body = {"sessionId": session, "transactionId": transaction, "finalAmount": amount, "applyRewards": True}
        return await self.call("finalize", body, at=at)

    async def give_back(self, session: str, return_id: str, *, at: int | None = None) -> Heard:
        """`POST /return` for all that is left."""
        return await self.call("return", {"sessionId": session, "returnId": return_id}, at=at)

    async def cancel(self, session: str, *, at: int | None = None) -> Heard:
        """`POST /cancel`."""
        return await self.call("cancel", {"sessionId": session}, at=at)

    async def status(self, session: str, *, at: int | None = None) -> Heard:
        """`GET /getSessionStatus`."""
        return await self.call(f"getSessionStatus?sessionId={session}", at=at)
