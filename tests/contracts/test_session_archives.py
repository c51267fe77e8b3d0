"""Every `SessionArchive` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.session_archive import MemorySessionArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.session_archive_contract import SessionArchiveContract, Shelf


class TestMemorySessionArchive(SessionArchiveContract):
    @pytest.fixture
    def shelf(self) -> Shelf:
        sessions = MemorySessions(SystemClock())
        return Shelf(MemorySessionArchive(sessions), sessions)


class TestPostgresSessionArchive(SessionArchiveContract):
    @pytest.fixture
    def shelf(self, connections: Connections) -> Shelf:
        return Shelf(PostgresSessionArchive(connections), PostgresSessions(connections, RowAddresses()))
