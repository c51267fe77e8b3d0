"""Stands for an OpenTelemetry collector: accepts whatever it is sent, so that exporting traces costs what it costs."""

import asyncio
import sys
from typing import Any, Final

from typing_extensions import override

_ACCEPTED: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


class Acceptance(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).decode("latin-1").lower()
            _, _, size = head.partition("content-length: ")
            whole = end + 4 + int(size.partition("\r\n")[0] or 0)
            if len(self._received) < whole:
                return
            del self._received[:whole]
            if self._transport is not None:
                self._transport.write(_ACCEPTED)


async def main(port: int) -> None:
    """Accept until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Acceptance, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
