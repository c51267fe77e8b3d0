"""One process of the service as the operating system sees it: started, killed, stopped in its tracks, measured."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loyalty_adapters.embedded.process import tethered

_POLITE: Final = 30.0
"""Seconds in which a process asked to end has to have ended; calls under way are finished first."""


class ServiceProcess:
    """`loyalty <command>` in a process of its own. It dies with the thread that starts it; start it on the main one."""

    def __init__(self, name: str, command: str, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self.starts = 0
        self._said_before = 0
        self._command = (sys.executable, "-m", "loyalty_web.cli", command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the current run."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process, and it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_spoken(self) -> bool:
        """Whether the current run has logged anything, which it does once it is at work."""
        return self.log.stat().st_size > self._said_before

    def start(self) -> None:
        """Start it anew; what it says goes to its log."""
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                tethered(self._command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    async def kill(self) -> None:
        """`kill -9`; returns once it is gone."""
        self._signal(signal.SIGKILL)
        await self._gone()

    async def stop(self) -> int:
        """SIGTERM; its exit code. It fails where the process does not end by itself."""
        if self._process is None:
            return 0
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_POLITE):
                return await self._gone()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"{self.name} was asked to end and did not: {self.last_words()}") from None

    def pause(self) -> None:
        """SIGSTOP: it holds what it holds and does nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def resident_bytes(self) -> int:
        """Memory it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """Processor time it has used since it was started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def _gone(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)
