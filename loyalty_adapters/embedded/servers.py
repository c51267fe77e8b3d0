import hashlib
import os
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from loyalty_adapters.embedded.account import Account, server_account
from loyalty_adapters.embedded.binaries import find_binaries
from loyalty_adapters.embedded.errors import EmbeddedServersError, unusable_folder
from loyalty_adapters.embedded.lock import take_lock
from loyalty_adapters.embedded.postgres import PostgresServer
from loyalty_adapters.embedded.temporary import own_user_ids, remove_temporary_folder, temporary_folder
from loyalty_adapters.embedded.valkey import ValkeyServer

_LONGEST_SOCKET: Final = 90  # bytes; the kernel's limit is 107 on Linux, 103 on macOS


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where the two servers are reached, as the settings of the same names want it."""

    database_url: str
    redis_url: str


class EmbeddedServers:
    """PostgreSQL and Valkey from Python wheels, for development and tests: no installation, no container, no root.

    Everything lives in one folder (0700), reached through Unix sockets. The servers end with the process that started
    them, even by SIGKILL, and what was committed is there at the next start. Works as root too: the servers then drop
    to the folder's owner or to `nobody`.

    Call `start` from the main thread: the servers die with the thread that started them.
    """

    def __init__(
        self, home: Path, *,
        postgres_major: int = 16, fsync: bool = True, persistent_cache: bool = True, tcp: bool = False,
    ) -> None:  # fmt: skip
        """Nothing happens before `start`.

        `fsync=False` trades safety against power loss for speed, which suits tests. `tcp=True` also opens loopback
        ports, which any user of this machine can reach without a password: for tests that put a proxy in between.
        """
        self.home = home.absolute()
        self._major = postgres_major
        self._fsync = fsync
        self._persistent_cache = persistent_cache
        self._tcp = tcp
        self._running = ExitStack()
        self._servers: tuple[PostgresServer, ValkeyServer] | None = None

    @property
    def postgres(self) -> PostgresServer:
        """The database server, to stop, kill and start it alone."""
        return self._started()[0]

    @property
    def valkey(self) -> ValkeyServer:
        """The cache server, to stop, kill and start it alone."""
        return self._started()[1]

    @property
    def addresses(self) -> ServerAddresses:
        """Where the servers are reached; the same for as long as this object is started."""
        return ServerAddresses(self.postgres.url, self.valkey.url)

    def start(self) -> ServerAddresses:
        """Start both servers and wait until they answer.

        Raises `EmbeddedServersError`, one sentence, where they cannot run: wheels missing, disk full, folder not
        writable or in use by another instance, a server that does not come up.
        """
        _require_main_thread()
        with ExitStack() as undo:
            try:
                self._start(undo)
            except OSError as error:
                raise unusable_folder(self.home, error) from error
            self._running = undo.pop_all()
        return self.addresses

    def stop(self) -> None:
        """Stop both servers and release the folder. Idempotent."""
        self._running.close()
        self._servers = None

    def revive(self) -> list[str]:
        """Start again each server that has ended by itself; their names.

        Raises `EmbeddedServersError` where one does not come up, `RuntimeError` outside the main thread.
        """
        ended = [server for server in self._started() if not server.process.running]
        _require_main_thread()
        for server in ended:
            server.start()
        return [server.process.name for server in ended]

    def __enter__(self) -> ServerAddresses:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> tuple[PostgresServer, ValkeyServer]:
        if self._servers is None:
            raise EmbeddedServersError("The embedded servers have not been started.")
        return self._servers

    def _start(self, undo: ExitStack) -> None:
        """Start everything; what has to be undone at the end, or when this fails, goes on `undo`."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # A bare descriptor: the folder stays ours even if the caller drops this object while the servers run.
            undo.callback(os.close, take_lock(self.home / "instance.lock", patience=0))
        except BlockingIOError:
            message = f"Another instance is using {self.home}: stop it, or set LOYALTY_HOME to another folder."
            raise EmbeddedServersError(message) from None
        account = server_account(self.home)
        binaries = find_binaries(self._major, account)
        sockets = self._socket_folder(account)
        undo.callback(remove_temporary_folder, sockets)
        ports = _free_ports() if self._tcp else (None, None)
        self._servers = (
            PostgresServer(
                self.home, sockets, binaries,
                major=self._major, account=account, fsync=self._fsync, tcp_port=ports[0],
            ),
            ValkeyServer(
                self.home, sockets, binaries, account=account, persistent=self._persistent_cache, tcp_port=ports[1]
            ),
        )  # fmt: skip
        for server in self._servers:
            undo.callback(server.stop)
            server.start()

    def _socket_folder(self, account: Account | None) -> Path:
        """`<home>/run`, or a short folder of our own where that path is too long for a socket's address."""
        inside = self.home / "run"
        if len(os.fsencode(inside / ".s.PGSQL.65535")) <= _LONGEST_SOCKET:
            return inside
        label = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        owners = own_user_ids(None if account is None else account.uid)
        return temporary_folder(f"loyalty-run-{label}", mode=0o700, owners=owners)


def _require_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start EmbeddedServers from the main thread: the servers die with the starting thread")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for listener in (first, second):
            listener.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
