"""Bytes to the service as they are, and what comes back: a client that repairs nothing and expects nothing."""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

_PATIENCE: Final = 10.0
_SILENCE: Final = 3.0
_HEAD_END: Final = b"\r\n\r\n"


class Answer(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        """Whether the service says that it ends the connection."""
        return self.headers.get("connection") == "close"


class Line:
    """One connection to the service, made anew where the service has ended it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    async def ask(self, request: bytes) -> Answer | None:
        """Send one request; its answer, or None where the service has ended the connection without one."""
        reader, writer = await self._open()
        writer.write(request)
        answer = await _read_answer(reader)
        if answer is None or answer.closes:
            await self.hang_up()
        return answer

    async def hang_up(self) -> None:
        """End the connection, if there is one."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        return self._streams


async def conversation(url: str, *parts: bytes, pause: float = 0.0) -> tuple[list[Answer], bool]:
    """Every answer to bytes sent as they are on a connection of their own, and whether the service then ended it.

    Reading goes on until the service has ended the connection, or has said nothing for longer than any call takes.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answers: list[Answer] = []
    sending = asyncio.create_task(_send(writer, parts, pause))
    try:
        while True:
            try:
                answer = await _read_answer(reader, _SILENCE)
            except TimeoutError:
                return answers, False
            if answer is None:
                return answers, True
            answers.append(answer)
    finally:
        sending.cancel()
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, parts: Sequence[bytes], pause: float) -> None:
    for part in parts:
        if writer.transport.is_closing():
            return
        writer.write(part)
        await asyncio.sleep(pause)


async def _read_answer(reader: asyncio.StreamReader, patience: float = _PATIENCE) -> Answer | None:
    """The next answer that is not an interim one; None where the connection has ended first."""
    try:
        async with asyncio.timeout(patience):
            while True:
                head = await reader.readuntil(_HEAD_END)
                first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
                status = int(first.split(" ")[1])
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                length = int(headers.get("content-length", "0"))
                body = await reader.readexactly(length) if length else b""
                if status >= 200:
                    return Answer(status, headers, body)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
