"""Every `PersonalData` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.personal_data import PostgresPersonalData
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.personal_data_contract import Files, PersonalDataContract


class TestMemoryPersonalData(PersonalDataContract):
    @pytest.fixture
    def files(self) -> Files:
        sessions = MemorySessions(SystemClock())
        return Files(sessions, sessions)


class TestPostgresPersonalData(PersonalDataContract):
    @pytest.fixture
    def files(self, connections: Connections) -> Files:
        return Files(PostgresPersonalData(connections), PostgresSessions(connections, RowAddresses()))
