"""Whether the database answers."""

from typing import Final, LiteralString

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.reads import read

_PING: Final[LiteralString] = "SELECT 1"


async def ping(connections: Connections) -> None:
    """Return once it has answered, on one of the connections that the service itself would use.

    On those kept for outcomes: new work that waits for its own says nothing about the database.

    Raises:
        Overloaded: all of them are at work, so it could not be asked.
        StorageUnavailable: it does not answer.
    """
    await read(connections.outcome, _PING, {})
