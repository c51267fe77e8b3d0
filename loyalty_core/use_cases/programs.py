from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.session import Session
from loyalty_core.ports.program_archive import ProgramArchive
from loyalty_core.ports.program_source import ProgramSource


class SaleProgram:
    """Finds the program that a sale was quoted under: the one in force, or the one kept by its hash."""

    def __init__(self, programs: ProgramSource, archive: ProgramArchive) -> None:
        self._programs = programs
        self._archive = archive

    async def of(self, session: Session) -> RewardProgram:
        """The program of the session's intent.

        Raises:
            StorageUnavailable, Overloaded: it is kept in storage, and storage cannot be asked.
        """
        current = self._programs.current()
        if session.intent is None or session.intent.quote.ours.program_hash == current.content_hash:
            return current
        kept = await self._archive.find(session.intent.quote.ours.program_hash)
        return current if kept is None else kept
