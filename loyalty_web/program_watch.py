"""Swapping the reward program of a running process when its file changes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_web.last_program import note_last_program
from loyalty_web.programs import ProgramInForce

_LOOK_EVERY: Final = 2.0
_MOST_MISTAKES: Final = 50
"""Listed in one line of log; a file that was never a program could have one for every key in it."""
_CANNOT_BE_READ: Final = "the file is not there, or is no readable UTF-8 text"

_Stamp: TypeAlias = tuple[int, ...]
_MISSING: Final[_Stamp] = ()

_log = structlog.get_logger(context="Programs")


class ProgramWatch:
    """Looks at the program's file every few seconds, and at once when asked, and puts a sound change in force.

    A change that was merely noticed is read once the file has looked the same twice: half of a program that is still
    being written may be a sound program too. Whoever asks says that the file is complete.
    """

    def __init__(self, path: str, programs: ProgramInForce, look_every: float = _LOOK_EVERY) -> None:
        """`path` is empty where the built-in program is in force: there is nothing to watch then."""
        self._path = path
        self._programs = programs
        self._look_every = look_every
        self._asked = asyncio.Event()
        self._seen: _Stamp | None = None
        # Not of the program loaded at start: the file may have changed between that and the first look.
        self._judged: _Stamp | None = None

    def look_now(self) -> None:
        """Read the file again, whether it seems to have changed or not."""
        self._asked.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for as long as the block runs."""
        task = asyncio.create_task(self._watch(), name="watches the reward program")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            asked = await self._rest()
            if not self._path:
                _log.info("There is no REWARD_PROGRAM to read again; the built-in program stays in force")
                continue
            # In a thread, as is all reading: a file system may be slow, and calls do not wait for it.
            stamp = await asyncio.to_thread(_stamp, self._path)
            settled = stamp == self._seen and stamp != self._judged
            self._seen = stamp
            if asked or settled:
                await self._judge(stamp, asked=asked)

    async def _rest(self) -> bool:
        """Until the next look; whether it was asked for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_every if self._path else None):
                await self._asked.wait()
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    async def _judge(self, stamp: _Stamp, *, asked: bool) -> None:
        """Put the program in the file in force, or say why not."""
        before = self._programs.current()
        self._judged = stamp  # taken before the file is read: what is written from now on is another change
        try:
            program = await asyncio.to_thread(_prepared, self._path)
            if program.content_hash == before.content_hash:
                if asked:
                    _log.info("The reward program is the one in force already", **_named(before))
                return
            await self._programs.put(program)
        except (OSError, UnicodeDecodeError):
            self._refuse(before, (_CANNOT_BE_READ,))
        except InvalidProgram as invalid:
            self._refuse(before, tuple(map(str, invalid.mistakes)))
        except LoyaltyError as error:
            self._judged = None  # sound, but its content could not be archived: again with the next look
            _log.warning("The changed reward program could not be archived yet", code=error.code, **_named(before))
        else:
            await asyncio.to_thread(note_last_program, program)
            former = {"formerVersion": before.version, "formerHash": before.content_hash}
            _log.info("The reward program was swapped", **_named(program), **former)

    @staticmethod
    def _refuse(before: RewardProgram, mistakes: tuple[str, ...]) -> None:
        _log.error(
            "The changed reward program cannot be used; the one before it stays in force",
            mistakes=list(mistakes[:_MOST_MISTAKES]),
            mistakesInAll=len(mistakes),
            **_named(before),
        )


def _stamp(path: str) -> _Stamp:
    """What differs once the file at `path` was written to, or another was put in its place."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of what a link leads to: mounted configuration is swapped by its links
    except OSError:
        return _MISSING
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _prepared(path: str) -> RewardProgram:
    """The program in the file at `path`, ready to calculate with, so that no call pays for its preparation."""
    program = program_from_toml(Path(path).read_text(encoding="utf-8"))
    program.index  # noqa: B018 - made when it is first asked for
    return program


def _named(program: RewardProgram) -> dict[str, str]:
    return {"programId": program.id, "programVersion": program.version, "programHash": program.content_hash}
