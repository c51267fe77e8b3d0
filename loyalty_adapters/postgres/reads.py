"""Statements that change nothing, and so may simply be sent again."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from loyalty_adapters.postgres.connections import ConnectionLane, Row
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_core.domain.errors import Overloaded, StorageUnavailable

_ATTEMPTS: Final = 4
_PAUSE: Final = 0.005


async def read(lane: ConnectionLane, statement: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
    """The rows of a statement, past conflicts and one broken connection.

    Raises:
        Overloaded: no connection in time, or one conflict after another.
        StorageUnavailable: the database cannot be reached.
    """
    lost = False
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await lane.run(statement, parameters)
        except Conflict:
            await asyncio.sleep(attempt * _PAUSE * random.random())  # noqa: S311 - spreads retries, guards nothing
        except ConnectionLost:
            if lost:
                raise StorageUnavailable from None
            lost = True
    raise Overloaded
