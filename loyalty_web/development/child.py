import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from typing import Final

from loyalty_web.development.program import Program, Tether
from loyalty_web.development.terminal import Output

_CHUNK: Final = 64 * 1024
_LAST_WORDS: Final = 2.0  # seconds; only a process that left the group could keep the pipe open longer


class Child:
    """One run of a program, in a process group of its own so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, program: Program, process: Process, pump: "asyncio.Task[None]") -> None:
        """Use `Child.start`."""
        self.program = program
        self._process = process
        self._pump = pump
        self._gone = False

    @classmethod
    async def start(cls, program: Program, tether: Tether, output: Output) -> "Child":
        """Start the program; it dies with this process, so call this on the main thread.

        The pipe is our own: with asyncio's, waiting for the program would mean waiting for everybody it has handed the
        pipe on to. Raises `OSError` where the machine has nothing to spare.
        """
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *tether(program.command),
                env=program.environment, stdin=DEVNULL, stdout=writing, stderr=writing, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(program, process, asyncio.create_task(_pump(reading, output), name=f"output of {program.name}"))

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    async def wait(self) -> int:
        """The exit code (negative: the signal that ended it), once it has ended, its group too, and all is logged."""
        code = await self._process.wait()
        self.kill()  # what it may have started would hold its port and its pipe
        self._gone = True
        await asyncio.wait({self._pump}, timeout=_LAST_WORDS)
        self._pump.cancel()
        await asyncio.wait({self._pump})
        return code

    async def stop(self) -> None:
        """Ask it to end; insist after the program's patience. Returns when it is gone."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.program.patience):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self.wait()

    def kill(self) -> None:
        """End it and its group at once."""
        if self._gone:
            return  # its number may be somebody else's by now
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._gone = True


async def _pump(descriptor: int, output: Output) -> None:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )  # fmt: skip
    try:
        while chunk := await reader.read(_CHUNK):
            output.feed(chunk)
    finally:
        output.finish_line()
        transport.close()


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
