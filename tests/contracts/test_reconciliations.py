"""Every `Reconciliation` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.reconciliation import MemoryReconciliation
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.findings import PostgresFindings
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.reconciliation_contract import Office, ReconciliationContract


class TestMemoryReconciliation(ReconciliationContract):
    @pytest.fixture
    def office(self) -> Office:
        sessions = MemorySessions(SystemClock())
        work = MemoryReconciliation(sessions)
        return Office(work, work, sessions)


class TestPostgresReconciliation(ReconciliationContract):
    @pytest.fixture
    def office(self, connections: Connections) -> Office:
        addresses = RowAddresses()
        store = PostgresSessions(connections, addresses)
        return Office(PostgresReconciliation(connections, addresses), PostgresFindings(connections), store)
