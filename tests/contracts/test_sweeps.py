"""Every `SessionSweep` and every `AnswerRecords` keeps the promises of its port."""

from datetime import timedelta

import psycopg
import pytest

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.session_directory import MemorySessionDirectory
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.memory.sweeps import MemoryAnswerRecords, MemorySessionSweep
from loyalty_adapters.postgres.answer_records import PostgresAnswerRecords
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.session_sweep import PostgresSessionSweep
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from tests.contracts.answer_records_contract import AnswerRecordsContract, Drawer
from tests.contracts.session_sweep_contract import Broom, SessionSweepContract


class TestMemorySessionSweep(SessionSweepContract):
    @pytest.fixture
    def broom(self) -> Broom:
        sessions = MemorySessions(SystemClock())
        return Broom(MemorySessionSweep(sessions), sessions, MemorySessionDirectory(sessions))


class TestPostgresSessionSweep(SessionSweepContract):
    @pytest.fixture
    def broom(self, connections: Connections) -> Broom:
        store = PostgresSessions(connections, RowAddresses())
        return Broom(PostgresSessionSweep(connections), store, PostgresSessionDirectory(connections))


class TestMemoryAnswerRecords(AnswerRecordsContract):
    @pytest.fixture
    def drawer(self) -> Drawer:
        clock = ManualClock()
        sessions = MemorySessions(clock)

        async def age(by: timedelta) -> None:
            clock.advance(by.total_seconds())

        return Drawer(MemoryAnswerRecords(sessions), sessions, age)


class TestPostgresAnswerRecords(AnswerRecordsContract):
    @pytest.fixture
    def drawer(self, connections: Connections, database_url: str) -> Drawer:
        async def age(by: timedelta) -> None:
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                await connection.execute("UPDATE idempotency_answers SET created_at = created_at - %s", (by,))

        return Drawer(PostgresAnswerRecords(connections), PostgresSessions(connections, RowAddresses()), age)
