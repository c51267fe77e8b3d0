from loyalty_core.domain.program import RewardProgram


class MemoryProgramArchive:
    """The `ProgramArchive` port in memory."""

    def __init__(self) -> None:
        self._programs: dict[str, RewardProgram] = {}

    async def keep(self, program: RewardProgram) -> None:
        """See `ProgramArchive.keep`."""
        self._programs.setdefault(program.content_hash, program)

    async def find(self, content_hash: str) -> RewardProgram | None:
        """See `ProgramArchive.find`."""
        return self._programs.get(content_hash)


class FixedProgram:
    """The `ProgramSource` port with one program for ever."""

    def __init__(self, program: RewardProgram) -> None:
        self._program = program

    def current(self) -> RewardProgram:
        """See `ProgramSource.current`."""
        return self._program
