"""A loopback proxy that breaks connections on purpose, between any client and any server, TCP or Unix socket.

It has a mode for all connections, and traps: the next message from a client that contains given bytes springs one.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

Address: TypeAlias = Path | tuple[str, int]

_CHUNK: Final = 65536
# With a linger of nought, closing a socket sends a reset.
_RESET: Final = struct.pack("ii", 1, 0)


class Mode(Enum):
    """How all connections fare."""

    PASS = auto()
    BLACKHOLE = auto()
    """Connections are taken and stay open; nothing moves on any of them."""
    REFUSE = auto()
    """New connections are reset, and so are old ones at their next byte."""


class Act(Enum):
    """What a sprung trap does with the message, and with the connection it came on."""

    LOSE_REQUEST = auto()
    """The server never sees it; both ends are cut."""
    LOSE_ANSWER = auto()
    """The server gets it and answers; the client is cut instead of being told."""
    ORPHAN = auto()
    """The server gets it, and the client is cut at once, while the server may still be at work on it."""
    DELAY_REQUEST = auto()
    """The client is cut at once, and the server gets the message only after `release`."""


@dataclass(slots=True)
class Trap:
    """Springs once. `meanwhile` runs when it does, before anything else happens."""

    pattern: bytes
    act: Act
    meanwhile: Callable[[], Awaitable[None]] | None = None
    sprung: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server has answered the message after all."""


@dataclass(slots=True)
class _Line:
    """One client, and its own connection to the server."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    trap: Trap | None = None
    """The one that sprung on this line: the server's next answer is lost."""


class FaultProxy:
    """Listens on a free loopback port while it is entered.

    `latency` delays every chunk by so many seconds. `cut_after` resets a connection once the server has sent that many
    bytes on it.
    """

    def __init__(self, upstream: Address) -> None:
        self._mode = Mode.PASS
        self._moving = asyncio.Event()
        self._moving.set()
        self.latency = 0.0
        self.cut_after: int | None = None
        self.connections_made = 0
        self._upstream = upstream
        self._traps: list[Trap] = []
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._released.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def mode(self) -> Mode:
        """How all connections fare, from now on."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.BLACKHOLE:
            self._moving.clear()
        else:
            self._moving.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the proxy has not been entered")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def trap(self, pattern: bytes, act: Act, *, meanwhile: Callable[[], Awaitable[None]] | None = None) -> Trap:
        """Set a trap for the next message that contains `pattern`."""
        trap = Trap(pattern, act, meanwhile)
        self._traps.append(trap)
        return trap

    def release(self) -> None:
        """Let delayed messages go on to the server."""
        self._released.set()

    # -- inside

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections_made += 1
        if self.mode is Mode.REFUSE:
            _reset(writer)
            return
        try:
            server = await self._connect()
        except OSError:
            _reset(writer)
            return
        line = _Line((reader, writer), server)
        pumps = [asyncio.create_task(self._from_client(line)), asyncio.create_task(self._from_server(line))]
        try:
            await asyncio.gather(*pumps)
        except (OSError, asyncio.CancelledError):
            for pump in pumps:
                pump.cancel()
        finally:
            writer.close()
            server[1].close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)

    async def _from_client(self, line: _Line) -> None:
        while data := await line.client[0].read(_CHUNK):
            await self._pass_mode(line)
            trap = next((trap for trap in self._traps if trap.pattern in data), None)
            if trap is not None:
                self._traps.remove(trap)
                trap.sprung = True
                await self._spring(trap, line, data)
                return
            line.server[1].write(data)
            await line.server[1].drain()
        if line.trap is None:
            line.server[1].close()

    async def _from_server(self, line: _Line) -> None:
        sent = 0
        while data := await line.server[0].read(_CHUNK):
            await self._pass_mode(line)
            sent += len(data)
            if line.trap is not None:
                line.trap.answered.set()
            if line.trap is not None or (self.cut_after is not None and sent > self.cut_after):
                _reset(line.client[1])
                return
            line.client[1].write(data)
            await line.client[1].drain()
        line.client[1].close()

    async def _pass_mode(self, line: _Line) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        await self._moving.wait()
        if self.mode is Mode.REFUSE:
            _reset(line.client[1])
            raise ConnectionResetError

    async def _spring(self, trap: Trap, line: _Line, data: bytes) -> None:
        if trap.meanwhile is not None:
            await trap.meanwhile()
        line.trap = trap
        if trap.act is not Act.LOSE_ANSWER:
            _reset(line.client[1])
        if trap.act is Act.LOSE_REQUEST:
            line.server[1].close()
            return
        if trap.act is Act.DELAY_REQUEST:
            await self._released.wait()
        line.server[1].write(data)
        await line.server[1].drain()


def upstream_of(url: str) -> Address:
    """Where a PostgreSQL or Redis URL leads."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Path(parts.path)
    folder = parse_qs(parts.query).get("host", [""])[0]
    if folder.startswith("/"):
        return Path(folder) / f".s.PGSQL.{parts.port or 5432}"
    return parts.hostname or "127.0.0.1", parts.port or (6379 if parts.scheme.startswith("redis") else 5432)


def through(proxy: FaultProxy, url: str) -> str:
    """The same PostgreSQL database, reached through `proxy`."""
    parts = urlsplit(url)
    user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
    return f"postgresql://{user}127.0.0.1:{proxy.port}{parts.path}"


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
