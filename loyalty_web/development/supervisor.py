import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from loyalty_web.development.child import Child, how_it_ended
from loyalty_web.development.program import DevelopmentError, Program, Tether
from loyalty_web.development.terminal import Output, Terminal

Ready = Callable[[], Awaitable[bool]]

FIRST_DELAY: Final = 0.2  # seconds before a program that died is started again; doubles each time
LONGEST_DELAY: Final = 10.0
SETTLED: Final = 10.0  # seconds alive after which a death counts as the first again
_POLL: Final = 0.05


class Supervisor:
    """Runs programs, starts again the ones that die, and stops them in the reverse order of their start."""

    def __init__(self, logs: Path, terminal: Terminal, tether: Tether) -> None:
        """Output goes to files in `logs`; `tether` ties each program's life to this process."""
        self._logs = logs
        self._terminal = terminal
        self._tether = tether
        self._kept: list[_Kept] = []

    async def run(self, program: Program, patience: float = 120.0) -> str:
        """Run a program to its end and return what it wrote.

        Raises `DevelopmentError` with its last words where it fails or takes longer than `patience` seconds.
        """
        collected: list[bytes] = []
        output = _Collecting(program.name, self._logs, self._terminal, collected)
        child = await Child.start(program, self._tether, output)
        try:
            async with asyncio.timeout(patience):
                code = await child.wait()
        except TimeoutError:
            raise DevelopmentError(f"{program.name} took longer than {patience:.0f} s (see {output.path}).") from None
        finally:
            child.kill()
            output.close()
        if code != 0:
            raise _told(f"{program.name} failed: {how_it_ended(code)}", output)
        return b"".join(collected).decode(errors="replace")

    def keep(self, program: Program) -> None:
        """Start a program and go on starting it whenever it dies, until `stop`."""
        output = Output(program.name, self._logs, self._terminal, echo=program.echo)
        self._kept.append(_Kept(program, output, self._terminal, self._tether))

    async def wait_until(self, name: str, ready: Ready, patience: float = 60.0) -> None:
        """Wait until the kept program `name` is `ready`.

        Raises `DevelopmentError` as soon as it dies before that, and after `patience` seconds.
        """
        kept = next(kept for kept in self._kept if kept.program.name == name)
        deadline = time.monotonic() + patience
        while not await ready():
            if kept.deaths:
                raise _told(f"{name} did not start: {kept.last_end}", kept.output)
            if time.monotonic() > deadline:
                raise _told(f"{name} was not ready within {patience:.0f} s", kept.output)
            await asyncio.sleep(_POLL)

    async def stop(self) -> None:
        """Stop every kept program, the last started first, each one gone before the next is asked."""
        while self._kept:
            await self._kept[-1].stop()
            self._kept.pop()

    def kill(self) -> None:
        """End every kept program at once, for the person who has pressed Ctrl-C twice."""
        for kept in self._kept:
            kept.kill()


class _Kept:
    """One program that is kept alive, by a task that alone owns its current run."""

    def __init__(self, program: Program, output: Output, terminal: Terminal, tether: Tether) -> None:
        self.program = program
        self.output = output
        self.deaths = 0
        self.last_end = ""
        self._terminal = terminal
        self._tether = tether
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._keeper = asyncio.create_task(self._keep(), name=f"keeper of {program.name}")

    async def stop(self) -> None:
        self._stopping.set()
        await self._keeper
        self.output.close()

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            began = time.monotonic()
            self.last_end = await self._one_life()
            if self._stopping.is_set():
                return
            self.deaths += 1
            if time.monotonic() - began > SETTLED:
                delay = FIRST_DELAY
            self._terminal.say(
                f"{self.program.name} has ended ({self.last_end}); starting it again in {delay:.1f} s "
                f"(log: {self.output.path})"
            )
            await self._stopping_within(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _one_life(self) -> str:
        """Run the program until it dies or has to stop; how it ended."""
        try:
            child = self._child = await Child.start(self.program, self._tether, self.output)
        except OSError as error:  # the machine has no process or memory to spare: as if it had died at once
            return f"not started: {error.strerror}"
        death = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({death, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not death.done():
            await child.stop()
        return how_it_ended(await death)

    async def _stopping_within(self, seconds: float) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stopping}, timeout=seconds)
        stopping.cancel()


class _Collecting(Output):
    """Output of a program that ends: the caller wants it, the terminal does not."""

    def __init__(self, name: str, folder: Path, terminal: Terminal, collected: list[bytes]) -> None:
        super().__init__(name, folder, terminal, echo=False)
        self._collected = collected

    def feed(self, chunk: bytes) -> None:
        self._collected.append(chunk)
        super().feed(chunk)


def _told(sentence: str, output: Output) -> DevelopmentError:
    """The sentence, and the program's last words under it."""
    last = "".join(f"\n  {line}" for line in output.last_lines())
    return DevelopmentError(f"{sentence} (log: {output.path}){':' if last else '.'}{last}")
