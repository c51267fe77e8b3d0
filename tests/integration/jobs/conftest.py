from collections.abc import AsyncIterator

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection past everything under test, to look and to interfere with."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    async with Connections(PostgresSettings(url=database_url, acquire_timeout=10.0)) as opened:
        yield opened


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())
