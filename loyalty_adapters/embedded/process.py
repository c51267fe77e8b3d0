import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loyalty_adapters.embedded import tether
from loyalty_adapters.embedded.account import Account
from loyalty_adapters.embedded.errors import EmbeddedServersError, disk_full
from loyalty_adapters.embedded.lock import locked

_LOG_LIMIT: Final = 5 * 1024 * 1024
_FORMER_SERVER: Final = 30.0  # seconds
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All a server gets: PGDATA, PGOPTIONS or a locale of the caller's shell must not change how it runs."""


def tethered(
    command: Sequence[str], *, death_signal: signal.Signals = signal.SIGKILL, account: Account | None = None
) -> list[str]:
    """`command`, wrapped so that it gets `death_signal` when the thread that starts it dies. Start it at once."""
    identity = "-" if account is None else f"{account.uid}:{account.gid}"
    stone = [sys.executable, "-I", "-S", tether.__file__]
    return [*stone, death_signal.name, str(os.getpid()), identity, *command]


class ServerProcess:
    """One server process: started tethered, logged to a file, stopped politely and then firmly."""

    def __init__(
        self, name: str, home: Path, *, account: Account | None, stop_signals: Sequence[signal.Signals]
    ) -> None:
        """`stop_signals` go from polite to firm; the first is also the death signal. SIGKILL is always the last."""
        self.name = name
        self._home = home
        self._account = account
        self._stop_signals = (*stop_signals, signal.SIGKILL)
        self._process: subprocess.Popen[bytes] | None = None
        self.log = home / "logs" / f"{name.lower()}.log"

    @property
    def pid(self) -> int:
        """The server's process id. Raises `EmbeddedServersError` where it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise EmbeddedServersError(f"{self.name} is not running.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Wait until no process of an earlier server of this name is left; yields a descriptor for the next to inherit.

        A server whose parent was killed, or that was killed itself, leaves processes that take a moment to end.
        """
        try:
            with locked(self._home / f"{self.name.lower()}.lock", patience=_FORMER_SERVER) as descriptor:
                yield descriptor
        except BlockingIOError:
            message = f"{self.name} of an earlier run still works in {self._home}: end it first."
            raise EmbeddedServersError(message) from None

    def run(self, command: Sequence[str | Path], *, descriptors: Sequence[int], stdin: str | None = None) -> None:
        """Run a preparing command of the server's to its end. Raises `EmbeddedServersError` when it fails."""
        before = self._open_log()
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - the command is ours
                tethered([*map(str, command)], account=self._account),
                input=None if stdin is None else stdin.encode(), stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=log, stderr=log, cwd="/", env=_ENVIRONMENT, pass_fds=descriptors, start_new_session=True,
                check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise self._failure(before)

    def start(
        self, command: Sequence[str | Path], *, descriptors: Sequence[int], ready: Callable[[], bool], patience: float
    ) -> None:
        """Start the server and wait until `ready`, at most `patience` seconds.

        Raises `EmbeddedServersError` with the last line of the server's log when it ends or does not get ready.
        """
        before = self._open_log()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                tethered([*map(str, command)], death_signal=self._stop_signals[0], account=self._account),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_ENVIRONMENT, pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops things in order
            )  # fmt: skip
        try:
            self._wait_until(ready, time.monotonic() + patience, before)
        except BaseException:
            self.kill()
            raise

    def stop(self, patience: float = 20.0) -> None:
        """End the server, each firmer signal `patience` seconds after the one before. Idempotent."""
        for stop_signal in self._stop_signals:
            if self._process is None or self._process.poll() is not None:
                return
            self._process.send_signal(stop_signal)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue

    def kill(self) -> None:
        """End the server as a crash would: SIGKILL, no goodbye. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _wait_until(self, ready: Callable[[], bool], deadline: float, log_start: int) -> None:
        while not ready():
            if not self.running or time.monotonic() > deadline:
                raise self._failure(log_start)
            time.sleep(0.005)

    def _open_log(self) -> int:
        """Begin a new log file where the old one has grown long; where this run's lines will start."""
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.stat().st_size if self.log.exists() else 0

    def _failure(self, since: int) -> EmbeddedServersError:
        with self.log.open("rb") as log:
            log.seek(since)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        if any("No space left on device" in line for line in lines):
            return disk_full(self._home)
        telling = [line for line in lines if "FATAL" in line or "rror" in line] or lines or ["nothing"]
        return EmbeddedServersError(f"{self.name} did not start; its log says: {telling[0].strip()} (see {self.log})")
