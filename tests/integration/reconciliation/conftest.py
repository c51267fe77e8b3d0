from collections.abc import AsyncIterator

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings
from tests.integration.reconciliation.desk import Desk, open_desk
from tests.pdi import Pdi


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    async with Connections(PostgresSettings(url=database_url)) as opened:
        yield opened


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection past everything under test, to look and to interfere with."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def desk(connections: Connections, pdi: Pdi) -> AsyncIterator[Desk]:
    async with open_desk(connections, pdi) as opened:
        yield opened
