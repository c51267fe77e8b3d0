"""Processes that are measured: started, their processor time read, ended by their id."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loyalty_adapters.embedded.process import tethered

_PATIENCE: Final = 30.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Program:
    """One program and the processes it starts. It dies with the thread that starts it; start it on the main one."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = tuple(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it says goes to its log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                tethered(self._command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> list[int]:
        """It, and everything under it."""
        return tree(self.pid)

    def cpu_seconds(self) -> float:
        """Processor time of all its processes since they were started."""
        return cpu_seconds(self.processes())

    async def answering(self, host: str, port: int) -> None:
        """Return once it accepts connections.

        Raises:
            RuntimeError: it ended, or does not within half a minute.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not answer: {self.last_words()}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, as_terminal: bool = False) -> None:
        """Ask it to end; kill it, and whatever is left under it, where it does not.

        `as_terminal`: all that it has started in its session is asked, as a terminal does.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return
        family = self.processes()
        if as_terminal:
            os.killpg(process.pid, number)  # a session of its own, so the group is its own, too
        else:
            process.send_signal(number)
        try:
            await asyncio.to_thread(process.wait, _PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        _kill(family)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


def _kill(pids: Sequence[int]) -> None:
    """What an orderly end has left, if anything."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def tree(pid: int) -> list[int]:
    """A process and everything under it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = [int(child) for child in children.read_text().split()]
    except FileNotFoundError:
        return []
    return [pid, *(each for child in found for each in tree(child))]


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes since they were started, in user space and in the kernel.

    To the nanosecond where the kernel keeps count of it by thread, else to the hundredth of a second.
    """
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except FileNotFoundError:
        pass  # no such count in this kernel, or the process has just ended
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Memory that a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
