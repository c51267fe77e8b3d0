from typing import Final, LiteralString

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read
from loyalty_core.domain.program import RewardProgram, program_from_json, program_to_json

# Repeating it changes nothing, so it is sent like a read: again where the connection broke.
_KEEP: Final[LiteralString] = """
INSERT INTO reward_programs (content_hash, id, version, content)
VALUES (%(content_hash)s::text, %(id)s::text, %(version)s::text, %(content)s::json)
ON CONFLICT (content_hash) DO NOTHING
"""
_FIND: Final[LiteralString] = "SELECT content FROM reward_programs WHERE content_hash = %(content_hash)s::text"


class PostgresProgramArchive:
    """The `ProgramArchive` port on PostgreSQL: the canonical content of each program, under its hash."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def keep(self, program: RewardProgram) -> None:
        """See `ProgramArchive.keep`."""
        content = program_to_json(program).decode()
        await read(
            self._connections.intake,
            _KEEP,
            {"content_hash": program.content_hash, "id": program.id, "version": program.version, "content": content},
        )

    async def find(self, content_hash: str) -> RewardProgram | None:
        """See `ProgramArchive.find`."""
        rows = await read(self._connections.intake, _FIND, {"content_hash": content_hash})
        return program_from_json(rows[0][0]) if rows else None
