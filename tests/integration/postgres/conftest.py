from collections.abc import AsyncIterator

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings
from tests.faults.proxy import FaultProxy, through, upstream_of


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection past everything under test, to look and to interfere with."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    async with Connections(PostgresSettings(url=database_url)) as opened:
        yield opened


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream_of(database_url)) as proxy:
        yield proxy


@pytest.fixture
async def fragile(database_url: str, proxy: FaultProxy) -> AsyncIterator[Connections]:
    """Connections that go through the proxy."""
    async with Connections(PostgresSettings(url=through(proxy, database_url))) as opened:
        yield opened
