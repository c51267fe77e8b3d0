"""Every `DeliveryQueue` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.delivery_queue import PostgresDeliveryQueue
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.delivery_queue_contract import DeliveryQueueContract, Desk


class TestMemoryDeliveryQueue(DeliveryQueueContract):
    @pytest.fixture
    def desk(self) -> Desk:
        sessions = MemorySessions(SystemClock())
        return Desk(MemoryDeliveryQueue(sessions), sessions)


class TestPostgresDeliveryQueue(DeliveryQueueContract):
    @pytest.fixture
    def desk(self, connections: Connections) -> Desk:
        addresses = RowAddresses()
        return Desk(PostgresDeliveryQueue(connections, addresses), PostgresSessions(connections, addresses))
