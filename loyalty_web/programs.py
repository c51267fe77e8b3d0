"""The reward program this process quotes by."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar, Token
from pathlib import Path
from typing import Final

import structlog

from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.program_archive import ProgramArchive
from loyalty_web.last_program import last_program
from loyalty_web.variables import SettingsError

_AGAIN: Final = 1.0

_log = structlog.get_logger(context="Programs")


def program_at_start(path: str) -> RewardProgram:
    """As `load_program`; where the file cannot be used, the program that the other web processes have in force.

    Otherwise one process that ends while the file is broken would be missing until somebody mends it.

    Raises:
        SettingsError: as `load_program`, and there are no other processes.
    """
    try:
        return load_program(path)
    except SettingsError as refused:
        last = last_program()
        if last is None:
            raise
        _log.error(
            "The reward program's file cannot be used; the program of the other processes is in force here too",
            mistakes=refused.mistakes["REWARD_PROGRAM"].splitlines(),
            programVersion=last.version,
            programHash=last.content_hash,
        )
        return last


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
    """`ProgramSource`: the program that was loaded at start, until another is put in its place."""

    def __init__(self, program: RewardProgram, archive: ProgramArchive, clock: Clock) -> None:
        self._program = program
        self._archive = archive
        self._clock = clock
        # Of this instance, not of the module: what one service holds is nothing to another in the same process.
        self._held: ContextVar[RewardProgram | None] = ContextVar("program held by one call", default=None)

    def current(self) -> RewardProgram:
        """See `ProgramSource.current`: inside `held`, always the same."""
        return self._held.get() or self._program

    def hold(self) -> "Token[RewardProgram | None]":
        """Keep the program in force for this task, and those it starts, whatever is put in its place."""
        return self._held.set(self._program)

    def let_go(self, held: "Token[RewardProgram | None]") -> None:
        """The program in force is the one that is in force again."""
        self._held.reset(held)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for as long as the block runs."""
        held = self.hold()
        try:
            yield
        finally:
            self.let_go(held)

    async def put(self, program: RewardProgram) -> None:
        """Put `program` in force, once its content is in the archive: no quote is made that could not be explained.

        Raises:
            StorageUnavailable, Overloaded: it could not be archived; the one before it stays in force.
        """
        await self._archive.keep(program)
        self._program = program

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """See to it that the content of the program loaded at start is in the archive.

        A database that is away does not keep the service from starting: no quote can be stored in it either, and the
        content goes in as soon as it is back.
        """
        first = self._program
        if await self._keep(first):
            yield
            return
        task = asyncio.create_task(self._keep_trying(first))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_trying(self, program: RewardProgram) -> None:
        while not await self._keep(program):
            await self._clock.sleep(_AGAIN)

    async def _keep(self, program: RewardProgram) -> bool:
        try:
            await self._archive.keep(program)
        except LoyaltyError as error:
            _log.warning("The reward program could not be archived yet", code=error.code)
            return False
        return True
