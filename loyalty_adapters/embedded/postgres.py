import shutil
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from loyalty_adapters.embedded.account import Account
from loyalty_adapters.embedded.binaries import Binaries
from loyalty_adapters.embedded.folder import ServerFolder
from loyalty_adapters.embedded.process import ServerProcess

DATABASE: Final = "loyalty"
_SOCKET_PORT: Final = 5432  # only a part of the socket's file name while no TCP port is open
_PATIENCE: Final = 60.0  # seconds; a crash before may have left a log to replay

_INITDB: Final = ("-U", "postgres", "--auth=trust", "--encoding=UTF8")
"""Trust is bounded by the 0700 folder that holds the socket."""

_LOCALE: Final = {16: ("--locale=C",), 18: ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")}
"""Order by code point, whatever the machine's locale. The built-in provider came with PostgreSQL 17."""


class PostgresServer:
    """Embedded PostgreSQL in `<home>/postgres-<major>`, reached through a socket in `sockets`."""

    def __init__(
        self, home: Path, sockets: Path, binaries: Binaries, *,
        major: int, account: Account | None, fsync: bool, tcp_port: int | None,
    ) -> None:  # fmt: skip
        """A loopback port is opened where `tcp_port` is given; the socket is there in any case."""
        self._folder = home / f"postgres-{major}"
        self._sockets = sockets
        self._binaries = binaries
        self._major = major
        self._account = account
        self._fsync = fsync
        self._tcp_port = tcp_port
        # SIGINT is the fast shutdown: open transactions are rolled back; SIGQUIT leaves recovery to the next start.
        self.process = ServerProcess(
            "PostgreSQL", home, account=account, stop_signals=(signal.SIGINT, signal.SIGQUIT)
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The libpq URL of the database `loyalty`."""
        if self._tcp_port is not None:
            return f"postgresql://postgres@127.0.0.1:{self._tcp_port}/{DATABASE}"
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sockets), safe='/')}"

    def start(self) -> None:
        """Start the server, after making the database where there is none, and wait until it answers."""
        with self.process.alone() as lock:
            if not self._folder.exists():
                self._create(lock)
            # Nobody is left in there, and the process id in a crashed server's file may be another program's by now.
            (self._folder / "postmaster.pid").unlink(missing_ok=True)
            with ServerFolder.opened(self._folder, self._account) as folder, self._open_sockets() as sockets:
                self.process.start(
                    [self._binaries.postgres("postgres"), "-D", folder.name_for_server,
                     "-k", sockets.name_for_server, "-p", str(self._tcp_port or _SOCKET_PORT),
                     *(argument for setting in self._settings() for argument in ("-c", setting))],
                    descriptors=(*folder.descriptors, *sockets.descriptors, lock),
                    ready=self._ready, patience=_PATIENCE,
                )  # fmt: skip

    def stop(self) -> None:
        """Stop the server; what was committed is on the disk. Idempotent."""
        self.process.stop()

    def kill(self) -> None:
        """End the server as a crash would, and wait for nothing: backends notice and end by themselves."""
        self.process.kill()

    def _create(self, lock: int) -> None:
        """Make the database beside its place and move it there whole: a start that is cut off leaves nothing half."""
        building = self._folder.with_name(f"{self._folder.name}.new")
        if building.exists():
            shutil.rmtree(building)
        with ServerFolder.opened(building, self._account) as folder:
            descriptors = (*folder.descriptors, lock)
            self.process.run(
                [self._binaries.postgres("initdb"), "-D", folder.name_for_server, *_INITDB, *_LOCALE[self._major],
                 *(() if self._fsync else ("--no-sync",))],
                descriptors=descriptors,
            )  # fmt: skip
            self.process.run(
                [self._binaries.postgres("postgres"), "--single", "-D", folder.name_for_server,
                 "-c", f"fsync={'on' if self._fsync else 'off'}", "postgres"],
                descriptors=descriptors, stdin=f"CREATE DATABASE {DATABASE}\n",
            )  # fmt: skip
        building.rename(self._folder)

    def _open_sockets(self) -> AbstractContextManager[ServerFolder]:
        return ServerFolder.opened(self._sockets, self._account)

    def _settings(self) -> list[str]:
        settings = ["max_connections=200", "unix_socket_permissions=0700", "timezone=UTC", "log_timezone=UTC"]
        settings.append(f"listen_addresses={'127.0.0.1' if self._tcp_port is not None else ''}")
        if not self._fsync:  # commits still reach the kernel, so they survive a kill of the server, as tests expect
            settings += ["fsync=off", "full_page_writes=off"]
        if self._binaries.has_extension("pg_stat_statements"):
            settings.append("shared_preload_libraries=pg_stat_statements")
        return settings

    def _ready(self) -> bool:
        """PostgreSQL states its readiness in its pid file: line 1 the process id, line 8 the state."""
        try:
            lines = (self._folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"
