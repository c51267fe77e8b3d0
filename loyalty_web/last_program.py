"""The program in force, kept for web processes that are started while its file is broken."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from loyalty_core.domain.program import RewardProgram, program_from_json, program_to_json

_FOLDER: Final = "LOYALTY_LAST_PROGRAM"
"""Set by the parent of several web processes, for them alone. No setting: nobody has to know of it."""

_log = structlog.get_logger(context="Programs")


@contextmanager
def last_program_shared(program: RewardProgram) -> Iterator[None]:
    """Let the processes that are started in this block share what is in force; at first that is `program`."""
    with tempfile.TemporaryDirectory(prefix="loyalty-program-") as folder:
        os.environ[_FOLDER] = folder
        try:
            note_last_program(program)
            yield
        finally:
            del os.environ[_FOLDER]


def note_last_program(program: RewardProgram) -> None:
    """A process has put `program` in force. Nothing is noted where this process is the only one."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        return
    draft = Path(folder, f"{os.getpid()}.draft")
    try:
        draft.write_bytes(program_to_json(program))
        draft.replace(Path(folder, "program.json"))  # in one step: whoever reads it reads all of it
    except OSError as error:  # a full disk keeps no program from being in force
        _log.warning("The program in force could not be noted for other processes", error=error.strerror)


def last_program() -> RewardProgram | None:
    """What was last put in force by any of the processes; None where this process is the only one."""
    folder = os.environ.get(_FOLDER)
    return program_from_json(Path(folder, "program.json").read_bytes()) if folder else None
