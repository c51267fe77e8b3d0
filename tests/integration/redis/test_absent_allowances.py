"""What becomes of shared allowances where Redis forgets, hangs up, falls silent or is not there."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from loyalty_adapters.redis.allowances import RedisAllowances
from loyalty_adapters.redis.shared_connection import MOST_WAITING, SharedConnection
from loyalty_core.ports.allowances import AllowancesAway
from tests.contracts.allowances_contract import SLOW
from tests.faults.proxy import FaultProxy, Mode, upstream_of
from tests.processes import soon


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        yield proxy


@pytest.fixture
def changes() -> list[bool]:
    return []


@pytest.fixture
async def connection(proxy: FaultProxy) -> AsyncIterator[SharedConnection]:
    """Through the proxy."""
    connection = SharedConnection(f"redis://127.0.0.1:{proxy.port}/0")
    yield connection
    await connection.close()


@pytest.fixture
def allowances(connection: SharedConnection, changes: list[bool]) -> RedisAllowances:
    return RedisAllowances(connection, on_change=changes.append)


async def test_a_redis_that_was_started_anew_is_told_the_script(redis_url: str) -> None:
    """It knows no script any more, and has closed every connection; no call notices."""
    connection = SharedConnection(redis_url)
    allowances = RedisAllowances(connection)
    await allowances.take("till", SLOW)
    async with Redis.from_url(redis_url) as client:
        await client.script_flush()
        assert await client.client_kill_filter(_type="normal", skipme=True) >= 1
    assert (await allowances.take("till", SLOW)).granted
    assert not allowances.is_away
    await connection.close()


async def test_a_redis_that_is_silent_is_away_for_all(
    allowances: RedisAllowances, proxy: FaultProxy, changes: list[bool]
) -> None:
    """Those that wait for it are told together, after a quarter of a second; then nobody waits, until it is back."""
    await allowances.take("till", SLOW)
    proxy.mode = Mode.BLACKHOLE
    begun = time.monotonic()
    told = await asyncio.gather(*(allowances.take("till", SLOW) for _ in range(50)), return_exceptions=True)
    assert {AllowancesAway} == {type(error) for error in told}
    assert time.monotonic() - begun < 3.0  # one command's time, where fifty would take twelve seconds
    for _ in range(50):
        with pytest.raises(AllowancesAway):
            await allowances.take("till", SLOW)
    proxy.mode = Mode.PASS

    def back() -> bool:
        allowances.look_again()
        return not allowances.is_away

    await soon(back, "Redis is back")
    # Another name: what was given up may have been heard, and counted, all the same.
    assert 49 == (await allowances.take("another", SLOW)).remaining
    assert [False, True] == changes


async def test_an_answer_that_comes_too_late_is_nobodys(allowances: RedisAllowances, proxy: FaultProxy) -> None:
    """It belongs to a question that was given up, and the next one has a connection of its own."""
    for _ in range(10):
        await allowances.take("busy", SLOW)
    proxy.latency = 0.6
    with pytest.raises(AllowancesAway):
        await allowances.take("busy", SLOW)
    proxy.latency = 0.0
    allowances._try_at = 0.0
    allowances.look_again()
    await soon(lambda: not allowances.is_away, "Redis is back")
    assert 49 == (await allowances.take("idle", SLOW)).remaining


async def test_who_gives_up_takes_nobody_along(allowances: RedisAllowances, proxy: FaultProxy) -> None:
    """One of two who wait for the same command is cancelled; the other gets its answer."""
    await allowances.take("till", SLOW)
    proxy.latency = 0.02
    gone, stays = (asyncio.create_task(allowances.take("till", SLOW)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).granted
    assert (await asyncio.wait([gone]))[0]


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Away, at once."""
    connection = SharedConnection(f"unix://{quote(str(tmp_path / 'none.sock'))}?db=0")
    allowances = RedisAllowances(connection)
    for _ in range(2):
        with pytest.raises(AllowancesAway):
            await allowances.take("till", SLOW)
    await connection.close()


async def test_who_waits_at_the_end_is_told(
    allowances: RedisAllowances, connection: SharedConnection, proxy: FaultProxy
) -> None:
    """Nobody is left waiting for an answer when the connection is let go of."""
    proxy.mode = Mode.BLACKHOLE
    waiting = [asyncio.create_task(allowances.take("till", SLOW)) for _ in range(3)]
    await asyncio.sleep(0)
    await connection.close()
    assert [True] * 3 == [
        isinstance(error, AllowancesAway) for error in await asyncio.gather(*waiting, return_exceptions=True)
    ]


async def test_only_so_many_wait_for_redis(allowances: RedisAllowances, proxy: FaultProxy) -> None:
    """One more is judged without it at once; those that wait have their answers."""
    await allowances.take("till", SLOW)
    proxy.latency = 0.02
    waiting = [asyncio.create_task(allowances.take("till", SLOW)) for _ in range(MOST_WAITING)]
    one_more = asyncio.create_task(allowances.take("till", SLOW))
    with pytest.raises(AllowancesAway):
        await one_more
    assert 49 == sum(grant.granted for grant in await asyncio.gather(*waiting))
    assert not allowances.is_away
