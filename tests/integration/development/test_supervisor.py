import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loyalty_adapters.embedded import tethered
from loyalty_web.development.program import DevelopmentError, Program
from loyalty_web.development.supervisor import Supervisor
from loyalty_web.development.terminal import Terminal
from tests import processes

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(tmp_path: Path, screen: io.StringIO) -> Supervisor:
    return Supervisor(tmp_path / "logs", Terminal(screen), tethered)


def python(name: str, source: str, *arguments: str, patience: float = 20.0) -> Program:
    command = (sys.executable, "-c", source, *arguments)
    return Program(name, command, environment=dict(os.environ), patience=patience)


def has_lines(file: Path, count: int) -> Callable[[], bool]:
    return lambda: file.exists() and file.read_text().count("\n") >= count


async def test_a_program_that_ends_hands_over_what_it_wrote(supervisor: Supervisor, screen: io.StringIO) -> None:
    """The output of a run goes to its caller and its file, not to the terminal."""
    assert await supervisor.run(python("once", "print('a key')")) == "a key\n"
    assert screen.getvalue() == ""


async def test_a_program_that_fails_is_told_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    """The message names the program, its exit code, its log, and what it said."""
    with pytest.raises(DevelopmentError) as raised:
        await supervisor.run(python("once", "import sys; sys.exit('the reason')"))
    log = tmp_path / "logs" / "once.log"
    assert str(raised.value) == f"once failed: exit code 1 (log: {log}):\n  the reason"


async def test_a_program_that_hangs_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    """A run has a deadline, after which nothing of it is left."""
    marks = tmp_path / "marks"
    with pytest.raises(DevelopmentError, match=r"^once took longer than 2 s"):
        await supervisor.run(python("once", STUBBORN, str(marks)), patience=2)
    await processes.soon(lambda: not processes.naming(str(marks)), "the program and its child are gone")
    assert marks.read_text()


async def test_a_stubborn_program_and_its_children_are_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    """Who ignores the request to stop is killed after its patience, together with what it has started."""
    marks = tmp_path / "marks"
    supervisor.keep(python("stubborn", STUBBORN, str(marks), patience=0.2))
    await processes.soon(has_lines(marks, 2), "the program and its child run")
    await supervisor.stop()
    assert processes.naming(str(marks)) == {}


async def test_a_second_request_to_stop_waits_for_nobody(supervisor: Supervisor, tmp_path: Path) -> None:
    """`kill` ends what a running `stop` still waits for."""
    marks = tmp_path / "marks"
    supervisor.keep(python("stubborn", STUBBORN, str(marks), patience=600))
    await processes.soon(has_lines(marks, 2), "the program and its child run")
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    supervisor.kill()
    await asyncio.wait_for(stopping, 10)
    assert processes.naming(str(marks)) == {}


async def test_children_of_a_program_that_died_do_not_linger(supervisor: Supervisor, tmp_path: Path) -> None:
    """What a killed program had started is ended before it is started again, for it would hold its port."""
    marks = tmp_path / "marks"
    supervisor.keep(python("parent", STUBBORN, str(marks), patience=0.2))
    await processes.soon(has_lines(marks, 2), "the program and its child run")
    first = {int(line) for line in marks.read_text().split()}
    os.kill(min(first), signal.SIGKILL)
    await processes.soon(has_lines(marks, 4), "both run again")
    assert not any(processes.alive(pid) for pid in first)
    await supervisor.stop()


async def test_a_program_that_cannot_run_is_tried_again_later(supervisor: Supervisor, screen: io.StringIO) -> None:
    """A command that does not exist is a death like any other: told, and repeated with growing delays."""
    supervisor.keep(Program("ghost", ("/nonexistent/ghost",), environment={}))
    await processes.soon(lambda: screen.getvalue().count("\n") >= 3, "it has been tried three times")
    assert "ghost   | cannot run /nonexistent/ghost: No such file or directory" in screen.getvalue()
    assert "again in 0.2 s" in screen.getvalue()
    await processes.soon(lambda: "again in 0.4 s" in screen.getvalue(), "the delay has grown")
    await supervisor.stop()


async def test_waiting_for_a_program_has_an_end(supervisor: Supervisor) -> None:
    """A program that lives but is never ready is told after the patience."""

    async def never() -> bool:
        return False

    supervisor.keep(python("slow", "import time; print('still loading', flush=True); time.sleep(600)"))
    with pytest.raises(DevelopmentError, match=r"^slow was not ready within 1 s .*:\n  still loading$"):
        await supervisor.wait_until("slow", never, patience=1)
    await supervisor.stop()
