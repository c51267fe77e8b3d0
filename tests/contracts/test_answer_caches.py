"""Every `AnswerCache` keeps the promises of the port."""

from collections.abc import AsyncIterator

import pytest

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.redis.answer_cache import RedisAnswerCache
from loyalty_adapters.redis.shared_connection import SharedConnection
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.answer_cache import AnswerCache
from tests.contracts.answer_cache_contract import AnswerCacheContract


class TestMemoryAnswerCache(AnswerCacheContract):
    @pytest.fixture
    def cache(self) -> AnswerCache:
        return MemoryAnswerCache(SystemClock())


class TestRedisAnswerCache(AnswerCacheContract):
    @pytest.fixture
    async def cache(self, redis_url: str) -> AsyncIterator[AnswerCache]:
        connection = SharedConnection(redis_url)
        yield RedisAnswerCache(connection)
        await connection.close()
