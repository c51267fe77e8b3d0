"""The database, for the length of one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_web.settings import read_section
from loyalty_web.storage_settings import DatabaseSettings

ResultT = TypeVar("ResultT")


def with_connections(work: Callable[[Connections], Awaitable[ResultT]]) -> ResultT:
    """What `work` makes of the database that the environment names."""
    url = read_section(DatabaseSettings).url

    async def run() -> ResultT:
        settings = PostgresSettings(url=url, intake_connections=1, outcome_connections=1, acquire_timeout=5.0)
        async with Connections(settings) as connections:
            return await work(connections)

    return asyncio.run(run())
