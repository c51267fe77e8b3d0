"""Every `ApiKeys` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.api_keys import MemoryApiKeys
from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_core.ports.api_keys import ApiKeys
from tests.contracts.api_keys_contract import ApiKeysContract


class TestMemoryApiKeys(ApiKeysContract):
    @pytest.fixture
    def keys(self) -> ApiKeys:
        return MemoryApiKeys()


class TestPostgresApiKeys(ApiKeysContract):
    @pytest.fixture
    def keys(self, connections: Connections) -> ApiKeys:
        return PostgresApiKeys(connections)
