"""A server down to the bytes: for answers that no well-behaved server, and not even the simulator, would give."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from loyalty_adapters.pdi import PdiSettings

_GRANT: Final = b'{"access_token":"a-token","token_type":"Bearer","expires_in":3600}'


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Act = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole, honest answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answering(*answers: bytes) -> Act:
    """Gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def act(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return act


@asynccontextmanager
async def listening(
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A port on which nobody need speak HTTP at all."""
    conversations: list[asyncio.Task[None]] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except ConnectionError:
            return  # the client has hung up
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(hold(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


class Gate:
    """Answers nobody until it is opened; then everybody."""

    def __init__(self, answer: bytes) -> None:
        self.arrived = asyncio.Semaphore(0)
        self.opened = asyncio.Event()
        self._answer = answer

    async def __call__(self, _seen: Seen, writer: asyncio.StreamWriter) -> None:
        self.arrived.release()
        await self.opened.wait()
        writer.write(self._answer)
        await writer.drain()

    async def wait_for(self, calls: int) -> None:
        async with asyncio.timeout(5):
            for _ in range(calls):
                await self.arrived.acquire()


class WireServer:
    """Hands every request to `act`, but for those to `/oauth/token` where `act_on_token` is left as it is."""

    def __init__(self, act: Act, act_on_token: Act | None = None) -> None:
        self.act = act
        self.act_on_token = act_on_token or answering(http(_GRANT))
        self.seen: list[Seen] = []
        self.port = 0
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> PdiSettings:
        """Settings of a client of this server."""
        return PdiSettings(**({"base_url": self.url, "client_id": "id", "client_secret": "secret"} | changes))

    def calls(self, path: str) -> list[Seen]:
        """The requests to one path, in order."""
        return [seen for seen in self.seen if seen.path == path]

    async def say(self, unasked: bytes) -> None:
        """Writes to every open connection, out of turn."""
        for writer in self._writers:
            writer.write(unasked)
            await writer.drain()

    def hang_up(self) -> None:
        """Closes every open connection."""
        for writer in self._writers:
            writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        task = asyncio.create_task(self._converse(reader, writer, self._connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                seen = await _request(reader, connection)
                self.seen.append(seen)
                await (self.act_on_token if seen.path == "/oauth/token" else self.act)(seen, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has hung up
        finally:
            self._writers.discard(writer)
            writer.close()


async def _request(reader: asyncio.StreamReader, connection: int) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body, connection)
