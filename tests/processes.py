"""What the tests of process supervision ask of the operating system."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def using(folder: Path) -> dict[int, str]:
    """The processes, but this one, that work in `folder` or hold a file under it open: id to command line."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and _uses(process, folder):
            found[int(process.name)] = _command_line(process)
    return found


def naming(text: str) -> dict[int, str]:
    """The processes, but this one, with `text` in their command line or environment: id to command line."""
    wanted = text.encode()
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            words = _read(process / "cmdline") + _read(process / "environ")
            if wanted in words and alive(int(process.name)):
                found[int(process.name)] = _command_line(process)
    return found


def _uses(process: Path, folder: Path) -> bool:
    try:
        links = [process / "cwd", *(process / "fd").iterdir()]
        return any(Path(link.readlink()).is_relative_to(folder) for link in links)
    except OSError:  # it has ended meanwhile, or is not ours to look into
        return False


def _command_line(process: Path) -> str:
    return _read(process / "cmdline").replace(b"\0", b" ").decode(errors="replace")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # as above
        return b""


def alive(pid: int) -> bool:
    """Whether the process exists and is more than a corpse that nobody has collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def listening(port: int) -> Iterator[int]:
    """Take a port on loopback, a free one for 0; yields its number."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield int(listener.getsockname()[1])


def eventually(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until `holds`; fail with `what` was waited for when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)


async def soon(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """The same for tests whose own event loop has to go on meanwhile."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)
