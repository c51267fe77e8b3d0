"""The reward program this process quotes by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.program_archive import ProgramArchive
from loyalty_web.variables import SettingsError

_AGAIN: Final = 1.0

_log = structlog.get_logger(context="Programs")


def load_program(path: str) -> RewardProgram:
    """The program in the TOML file at `path`; the built-in one where there is no path.

    Raises:
        SettingsError: the file cannot be read, or is not a program; the message names every mistake in it.
    """
    if not path:
        return built_in_program()
    try:
        return program_from_toml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError({"REWARD_PROGRAM": "does not name a readable file"}) from None
    except LoyaltyError as invalid:
        raise SettingsError({"REWARD_PROGRAM": f"is not a usable program: {invalid.message}"}) from None


class ProgramInForce:
    """`ProgramSource`: one program for the life of the process."""

    def __init__(self, program: RewardProgram, archive: ProgramArchive, clock: Clock) -> None:
        self._program = program
        self._archive = archive
        self._clock = clock

    def current(self) -> RewardProgram:
        """See `ProgramSource.current`."""
        return self._program

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """See to it that the program's content is in the archive.

        A database that is away does not keep the service from starting: no quote can be stored in it either, and the
        content goes in as soon as it is back.
        """
        if await self._keep():
            yield
            return
        task = asyncio.create_task(self._keep_trying())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_trying(self) -> None:
        while not await self._keep():
            await self._clock.sleep(_AGAIN)

    async def _keep(self) -> bool:
        try:
            await self._archive.keep(self._program)
        except LoyaltyError as error:
            _log.warning("The reward program could not be archived yet", code=error.code)
            return False
        return True
