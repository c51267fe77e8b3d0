from collections.abc import AsyncIterator

import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    """Connections to a database of this test's own."""
    async with Connections(PostgresSettings(url=database_url, acquire_timeout=10.0)) as opened:  # a busy machine
        yield opened
