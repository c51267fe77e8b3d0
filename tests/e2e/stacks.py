"""Drives a development stack from outside, as the developer who has started it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests import processes

RUNNER = Path(__file__).with_name("run_stand_ins.py")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RunningStack:
    """A stack of stand-ins in a process of its own, what it prints, and what its programs have seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self.pdi_port = free_port()
        self.printed = folder / "printed"
        self.events_file = folder / "events"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, wait: bool = True) -> "RunningStack":
        command = [sys.executable, str(RUNNER), str(self.home), str(self.port), str(self.pdi_port), *options]
        self.folder.mkdir(exist_ok=True)
        self.printed.write_bytes(b"")
        with self.printed.open("ab") as printed:
            self._process = subprocess.Popen(
                command, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "STAND_IN_EVENTS": str(self.events_file)},
            )  # fmt: skip
        if wait:
            self.wait_for_print("Ready: ")
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def says(self) -> str:
        return self.printed.read_text()

    @property
    def events(self) -> list[str]:
        return self.events_file.read_text().splitlines() if self.events_file.exists() else []

    def started(self, role: str) -> list[int]:
        """The process ids under which a role has run, the latest last."""
        return [int(event.split()[2]) for event in self.events if event.startswith(f"{role} started")]

    def runs_anew(self, role: str, former: int) -> bool:
        """Whether the role runs under another process id than `former`."""
        return self.started(role)[-1] != former

    def environment(self) -> dict[str, str]:
        """What the published file says, read as a shell reads it."""
        lines = (self.home / "dev.env").read_text().splitlines()
        return {name: "".join(shlex.split(value)) for name, _, value in (line.partition("=") for line in lines)}

    def calls(self) -> dict[str, str]:
        """The pieces of shell in the banner, by their headings."""
        return dict(re.findall(r"^# (.+)\n((?:.+\n)+)", self.says, re.MULTILINE))

    def wait_for_print(self, text: str, seconds: float = 30.0) -> None:
        processes.eventually(lambda: text in self.says or self.ended, f"{text!r} is printed", seconds)
        assert text in self.says, self.says

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal to the supervisor alone; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def exit_code(self) -> int:
        """Wait until it ends by itself."""
        assert self._process is not None
        return self._process.wait(30)

    def left_over(self) -> dict[int, str]:
        """The processes that still belong to this stack."""
        return processes.using(self.home) | processes.naming(str(self.folder))

    def close(self) -> None:
        if not self.ended:
            self.end()
