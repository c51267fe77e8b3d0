"""Every `Allowances` keeps the promises of the port."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from loyalty_adapters.memory.allowances import REMEMBERED, MemoryAllowances
from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.redis.allowances import RedisAllowances
from loyalty_adapters.redis.shared_connection import SharedConnection
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.allowances import Allowance, Allowances
from tests.contracts.allowances_contract import SLOW, AllowancesContract


class TestMemoryAllowances(AllowancesContract):
    @pytest.fixture
    def allowances(self) -> Allowances:
        return MemoryAllowances(SystemClock())

    async def test_names_are_bounded(self) -> None:
        """A flood of names, each used once, costs no more memory than so many."""
        allowances = MemoryAllowances(ManualClock())
        for number in range(REMEMBERED + 10):
            await allowances.take(f"address-{number}", SLOW)
        assert REMEMBERED == len(allowances._whole_at)

    async def test_a_clock_that_was_set_back_locks_nobody_out(self) -> None:
        """For longer than it takes to earn a burst, that is."""
        clock = ManualClock()
        allowances = MemoryAllowances(clock)
        allowances._whole_at["till"] = clock.monotonic() + 1e6
        grant = await allowances.take("till", Allowance(1, 10))
        assert (False, 1.0) == (grant.granted, grant.wait)


class TestRedisAllowances(AllowancesContract):
    @pytest.fixture
    async def allowances(self, redis_url: str) -> AsyncIterator[Allowances]:
        connection = SharedConnection(redis_url)
        yield RedisAllowances(connection)
        await connection.close()

    async def test_processes_share_one_allowance(self, redis_url: str) -> None:
        """Three replicas that ask at once are granted the burst together, not each."""
        connections = [SharedConnection(redis_url) for _ in range(3)]
        replicas = [RedisAllowances(connection) for connection in connections]
        grants = await asyncio.gather(*(replicas[number % 3].take("till", SLOW) for number in range(300)))
        assert 50 == sum(grant.granted for grant in grants)
        for connection in connections:
            await connection.close()
