import signal
import socket
from pathlib import Path
from typing import Final
from urllib.parse import quote

from loyalty_adapters.embedded.account import Account
from loyalty_adapters.embedded.binaries import Binaries
from loyalty_adapters.embedded.folder import ServerFolder
from loyalty_adapters.embedded.process import ServerProcess

_SOCKET: Final = "valkey.sock"
_PATIENCE: Final = 30.0


class ValkeyServer:
    """Embedded Valkey (it speaks Redis 7.2) in `<home>/valkey`, reached through a socket in `sockets`."""

    def __init__(
        self, home: Path, sockets: Path, binaries: Binaries, *,
        account: Account | None, persistent: bool, tcp_port: int | None,
    ) -> None:  # fmt: skip
        """`persistent` keeps an append-only file, flushed every second, as the compose file's Redis does."""
        self._folder = home / "valkey"
        self._sockets = sockets
        self._binaries = binaries
        self._account = account
        self._persistent = persistent
        self._tcp_port = tcp_port
        self.process = ServerProcess("Valkey", home, account=account, stop_signals=(signal.SIGTERM,))

    @property
    def url(self) -> str:
        """The URL as redis-py reads it."""
        if self._tcp_port is not None:
            return f"redis://127.0.0.1:{self._tcp_port}/0"
        return f"unix://{quote(str(self._sockets / _SOCKET), safe='/')}?db=0"

    def start(self) -> None:
        """Start the server and wait until it has loaded its data and answers."""
        with (
            self.process.alone() as lock,
            ServerFolder.opened(self._folder, self._account) as folder,
            ServerFolder.opened(self._sockets, self._account) as sockets,
        ):
            (self._sockets / _SOCKET).unlink(missing_ok=True)
            self.process.start(
                [self._binaries.valkey_server, "--port", str(self._tcp_port or 0), "--bind", "127.0.0.1",
                 "--unixsocket", f"{sockets.name_for_server}/{_SOCKET}", "--unixsocketperm", "700",
                 "--dir", folder.name_for_server, "--save", "",
                 "--appendonly", "yes" if self._persistent else "no", "--appendfsync", "everysec"],
                descriptors=(*folder.descriptors, *sockets.descriptors, lock),
                ready=self._ready, patience=_PATIENCE,
            )  # fmt: skip

    def stop(self) -> None:
        """Stop the server; a persistent one has written everything by then. Idempotent."""
        self.process.stop()

    def kill(self) -> None:
        """End the server as a crash would."""
        self.process.kill()

    def _ready(self) -> bool:
        """Whether it answers PING: while it still loads its data the answer is an error."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(str(self._sockets / _SOCKET))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:  # not listening yet: asked again until the deadline
                return False
