"""uvicorn's server, but none of its callers is cut off when it ends."""

import asyncio
import socket
from typing import Final

import uvicorn
from typing_extensions import override

_SETTLE: Final = 0.1
"""Seconds in which the first bytes of a connection that was just made arrive."""


class DrainingServer(uvicorn.Server):
    """A server that takes in who has come to its door before it closes the door.

    The kernel accepts connections before the process does. uvicorn would close its socket over those that wait there,
    and their callers, who have sent their requests already, could not tell whether anything came of them.
    """

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        at_the_door = _accept_all(sockets or [])
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        loop = asyncio.get_running_loop()
        for connection in at_the_door:
            await loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)
        await asyncio.sleep(_SETTLE)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn makes its own
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )


def _accept_all(listeners: list[socket.socket]) -> list[socket.socket]:
    """Every connection that the kernel has accepted and nobody has taken yet."""
    taken = []
    for listener in listeners:
        listener.setblocking(False)
        try:
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                taken.append(connection)
        except OSError:  # none is left: the only end this loop has
            continue
    return taken
