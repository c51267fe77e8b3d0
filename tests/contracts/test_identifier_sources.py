"""Every `IdentifierSource` keeps the promises of the port."""

import asyncio

import pytest

from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.identifiers import PostgresIdentifierSource
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.identifier_source import IdentifierSource
from tests.contracts.identifier_source_contract import IdentifierSourceContract


class TestMemoryIdentifierSource(IdentifierSourceContract):
    @pytest.fixture
    def source(self) -> IdentifierSource:
        return MemoryIdentifierSource(SystemClock())

    async def test_the_same_seed_makes_the_same_quotes(self) -> None:
        """What a simulation draws it draws again."""
        first, second = (MemoryIdentifierSource(SystemClock(), seed=7) for _ in range(2))
        assert [first.quote_id(), first.jitter()] == [second.quote_id(), second.jitter()]


class TestPostgresIdentifierSource(IdentifierSourceContract):
    @pytest.fixture
    def source(self, connections: Connections) -> IdentifierSource:
        return PostgresIdentifierSource(connections)

    async def test_two_processes_never_share_a_receipt_number(self, connections: Connections) -> None:
        """Two sources on one database draw blocks that do not meet."""
        sources = [PostgresIdentifierSource(connections) for _ in range(2)]
        numbers = await asyncio.gather(*(source.receipt_number() for source in sources for _ in range(500)))
        assert 1000 == len(set(numbers))
