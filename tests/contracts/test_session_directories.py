"""Every `SessionDirectory` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.session_directory import MemorySessionDirectory
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.session_directory_contract import SessionDirectoryContract, Shelf


class TestMemorySessionDirectory(SessionDirectoryContract):
    @pytest.fixture
    def shelf(self) -> Shelf:
        sessions = MemorySessions(SystemClock())
        return Shelf(MemorySessionDirectory(sessions), sessions)


class TestPostgresSessionDirectory(SessionDirectoryContract):
    @pytest.fixture
    def shelf(self, connections: Connections) -> Shelf:
        return Shelf(PostgresSessionDirectory(connections), PostgresSessions(connections, RowAddresses()))
