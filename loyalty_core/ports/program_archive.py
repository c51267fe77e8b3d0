from typing import Protocol

from loyalty_core.domain.program import RewardProgram


class ProgramArchive(Protocol):
    """Every program that ever quoted, by the hash of its content, so that any quote can be explained for ever.

    Both methods may raise `StorageUnavailable` and `Overloaded`; nothing was done then.
    """

    async def keep(self, program: RewardProgram) -> None:
        """Hold the program durably; one that is held already is left as it is."""
        ...

    async def find(self, content_hash: str) -> RewardProgram | None:
        """The program whose `content_hash` that is, equal to the one that was kept, or None."""
        ...
