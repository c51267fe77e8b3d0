"""Every `JobLedger` keeps the promises of the port."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import psycopg
import pytest

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.job_ledger import MemoryJobLedger
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.settings import PostgresSettings
from tests.contracts.job_ledger_contract import Book, JobLedgerContract


class TestMemoryJobLedger(JobLedgerContract):
    @pytest.fixture
    def book(self) -> Book:
        clock = RestlessClock()

        async def age(by: timedelta) -> None:
            clock.advance(by.total_seconds())

        return Book(MemoryJobLedger(clock), age)


class RestlessClock(ManualClock):
    """Goes on by a little whenever it is read, so that no two moments are the same."""

    def now(self) -> datetime:
        self.advance(0.001)
        return super().now()


class TestPostgresJobLedger(JobLedgerContract):
    @pytest.fixture
    async def patient(self, database_url: str) -> AsyncIterator[Connections]:
        """Connections for which many may wait: the races are about rows."""
        async with Connections(PostgresSettings(url=database_url, acquire_timeout=30.0)) as opened:
            yield opened

    @pytest.fixture
    def book(self, patient: Connections, database_url: str) -> Book:
        async def age(by: timedelta) -> None:
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                await connection.execute(
                    "UPDATE job_runs SET started_at = started_at - %(by)s, free_at = free_at - %(by)s,"
                    " finished_at = finished_at - %(by)s",
                    {"by": by},
                )

        return Book(PostgresJobLedger(patient), age)
