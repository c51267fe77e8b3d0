"""Every `SessionStore` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.session_store import SessionStore
from tests.contracts.session_store_contract import SessionStoreContract


class TestMemorySessions(SessionStoreContract):
    @pytest.fixture
    def store(self) -> SessionStore:
        return MemorySessions(SystemClock())


class TestPostgresSessions(SessionStoreContract):
    @pytest.fixture
    def store(self, connections: Connections) -> SessionStore:
        return PostgresSessions(connections, RowAddresses())
