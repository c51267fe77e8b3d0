"""What the tests of process supervision ask of the operating system."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def using(folder: Path) -> dict[int, str]:
    """The processes, but this one, that work in `folder` or hold a file under it open: id to command line."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and _uses(process, folder):
            found[int(process.name)] = _command_line(process)
    return found


def _uses(process: Path, folder: Path) -> bool:
    try:
        links = [process / "cwd", *(process / "fd").iterdir()]
        return any(Path(link.readlink()).is_relative_to(folder) for link in links)
    except OSError:  # it has ended meanwhile, or is not ours to look into
        return False


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether the process exists and is more than a corpse that nobody has collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


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
