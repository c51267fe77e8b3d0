"""A cache that is away, slow or full of nonsense costs next to nothing and is never an error."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from redis.asyncio import Redis

from loyalty_adapters.redis.answer_cache import CacheEvent, RedisAnswerCache
from loyalty_adapters.redis.shared_connection import SharedConnection
from loyalty_core.ports.unit_of_work import Call
from tests.contracts.answer_cache_contract import an_answer
from tests.contracts.sales import new_session
from tests.faults.proxy import FaultProxy, Mode, upstream_of
from tests.processes import soon


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        yield proxy


@pytest.fixture
def events() -> list[CacheEvent]:
    return []


@pytest.fixture
async def cache(redis_url: str, proxy: FaultProxy, events: list[CacheEvent]) -> AsyncIterator[RedisAnswerCache]:
    """A cache behind the proxy, in this test process's own database."""
    parts = urlsplit(redis_url)
    number = parse_qs(parts.query)["db"][0] if parts.scheme == "unix" else parts.path.removeprefix("/")
    connection = SharedConnection(f"redis://127.0.0.1:{proxy.port}/{number}")
    yield RedisAnswerCache(connection, on_event=events.append)
    await connection.close()


async def test_answers_are_kept_ten_minutes(redis_url: str) -> None:
    """Everything that is put has an end, and keys say which version of ours has written them."""
    connection, client = SharedConnection(redis_url), Redis.from_url(redis_url)
    cache = RedisAnswerCache(connection)
    session = new_session().id
    await cache.put(Call.FINALIZE, session, an_answer(), item="R-1")
    await connection.ping()  # what was sent before has been done
    (key,) = await client.keys("loyalty:answer:*")
    assert f"loyalty:answer:1:finalize:{session.hex}:R-1".encode() == key
    assert 590 < await client.ttl(key) <= 600
    await connection.close()
    await client.aclose()


async def test_what_we_did_not_write_is_a_miss(redis_url: str) -> None:
    """Garbage under our key is no answer, and no error."""
    connection, client = SharedConnection(redis_url), Redis.from_url(redis_url)
    cache = RedisAnswerCache(connection)
    session = new_session().id
    await client.set(f"loyalty:answer:1:finalize:{session.hex}:", b"\xc1 nonsense")
    assert await cache.get(Call.FINALIZE, session) is None
    await connection.close()
    await client.aclose()


async def test_a_server_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    """A hundred calls without a server take a fraction of a second in all; only the first has tried it."""
    events: list[CacheEvent] = []
    connection = SharedConnection(f"unix://{quote(str(tmp_path / 'none.sock'))}?db=0")
    cache = RedisAnswerCache(connection, on_event=events.append)
    begun = time.monotonic()
    for _ in range(50):
        assert await cache.get(Call.FINALIZE, new_session().id) is None
        await cache.put(Call.FINALIZE, new_session().id, an_answer())
    assert time.monotonic() - begun < 0.5
    assert [CacheEvent.FAILED, *[CacheEvent.SPARED] * 99] == events
    await connection.close()


async def test_a_silent_server_is_given_up_on_soon(
    cache: RedisAnswerCache, proxy: FaultProxy, events: list[CacheEvent]
) -> None:
    """One call waits a twentieth of a second for it; those after it do not wait at all."""
    session = new_session().id
    await cache.put(Call.FINALIZE, session, an_answer())
    await soon(lambda: bool(events), "it is stored")
    proxy.mode = Mode.BLACKHOLE
    begun = time.monotonic()
    for _ in range(50):
        assert await cache.get(Call.FINALIZE, session) is None
    assert time.monotonic() - begun < 0.5
    assert [CacheEvent.STORED, CacheEvent.FAILED, *[CacheEvent.SPARED] * 49] == events


async def test_a_server_that_is_back_is_used_again(
    cache: RedisAnswerCache, proxy: FaultProxy, events: list[CacheEvent]
) -> None:
    """After its rest the cache is tried by one call, and when that succeeds by all."""
    session = new_session().id
    await cache.put(Call.FINALIZE, session, an_answer())
    await soon(lambda: bool(events), "it is stored")
    proxy.mode = Mode.REFUSE
    assert await cache.get(Call.FINALIZE, session) is None
    proxy.mode = Mode.PASS
    async with asyncio.timeout(5):
        while await cache.get(Call.FINALIZE, session) is None:  # noqa: ASYNC110 - its rest has no event
            await asyncio.sleep(0.02)
    assert an_answer() == await cache.get(Call.FINALIZE, session)
    assert events.count(CacheEvent.FAILED) == 1


async def test_while_it_is_away_one_call_a_second_tries_it(
    cache: RedisAnswerCache, proxy: FaultProxy, events: list[CacheEvent]
) -> None:
    """Of many calls at once after the rest, one goes and the others are spared the wait."""
    proxy.mode = Mode.BLACKHOLE
    assert await cache.get(Call.FINALIZE, new_session().id) is None
    async with asyncio.timeout(5):
        while events.count(CacheEvent.FAILED) < 2:
            await asyncio.gather(*(cache.get(Call.FINALIZE, new_session().id) for _ in range(20)))
            await asyncio.sleep(0.02)
    assert events.count(CacheEvent.FAILED) == 2


async def test_nobody_waits_for_an_answer_to_be_kept(
    cache: RedisAnswerCache, proxy: FaultProxy, events: list[CacheEvent]
) -> None:
    """A cache that takes its time over it takes none of a POS's; what becomes of it is counted all the same."""
    await cache.put(Call.FINALIZE, new_session().id, an_answer())
    await soon(lambda: [CacheEvent.STORED] == events, "it is stored")
    proxy.mode = Mode.BLACKHOLE
    begun = time.monotonic()
    await cache.put(Call.FINALIZE, new_session().id, an_answer())
    assert time.monotonic() - begun < 0.02
    await soon(lambda: [CacheEvent.STORED, CacheEvent.FAILED] == events, "it is given up")
