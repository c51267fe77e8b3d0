"""How often anybody may call: exactly, over all processes, cheaply refused, and whatever becomes of Redis."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from loyalty_web.api_keys import new_key
from loyalty_web.protection_settings import LimitSettings, parse_client_limits
from loyalty_web.storage_settings import CacheSettings
from loyalty_web.web_settings import WatchSettings
from tests.faults.proxy import FaultProxy, Mode, upstream_of
from tests.pdi import Pdi
from tests.processes import soon
from tests.web.service import Reply, Service, running_service, settings

SLOW = 0.001
"""Calls a second: so few that none comes back while a test runs."""
FIVE = LimitSettings(client_rate=SLOW, client_burst=5, failed_burst=100_000)
STATUS = "/getSessionStatus?sessionId=none"


@pytest.fixture
async def limited(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Service]:
    """A service that grants each client five calls."""
    async with running_service(settings(database_url, redis_url, pdi, limits=FIVE)) as running:
        yield running


def standing(reply: Reply) -> tuple[str, int]:
    """The limit that was applied, and the calls that remain of it."""
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=\d+', reply.headers["RateLimit"])
    assert found is not None
    return found[1], int(found[2])


async def test_a_client_is_told_where_it_stands(limited: Service) -> None:
    """Call by call, whatever becomes of the call; then 429, with when to come again."""
    replies = [await limited.get(STATUS) for _ in range(5)]
    assert [("client", left) for left in (4, 3, 2, 1, 0)] == [standing(reply) for reply in replies]
    assert {'"client";q=5;w=5000'} == {reply.headers["RateLimit-Policy"] for reply in replies}
    refused = await limited.identify()
    assert (429, "rate_limited") == refused.refusal
    assert "application/problem+json" == refused.headers["Content-Type"]
    assert 900 < int(refused.headers["Retry-After"]) <= 1000
    assert ("client", 0) == standing(refused)


async def test_it_is_judged_before_anything_else_of_the_call(limited: Service, pdi: Pdi) -> None:
    """No body is read, no scope is looked at, no session is opened; another client does not notice."""
    for _ in range(5):
        await limited.get(STATUS)
    for body in (b"{", b"x" * 300_000, {"customerId": "C"}):
        assert (429, "rate_limited") == (await limited.post("/identify", body)).refusal
    assert 0 == await pdi.calls("identify")
    other = await limited.new_key("other", "OTHER-*")
    assert 404 == (await limited.get(STATUS, key=other.text)).status


async def test_repeats_count_and_keys_of_a_client_share(limited: Service) -> None:
    """The limit is the client's: neither an answer of record nor a second key is free."""
    second = await limited.new_key("demo", "POS-*")
    assert [201, 201, 201] == [(await limited.identify()).status for _ in range(3)]
    assert [404, 404, 429] == [(await limited.get(STATUS, key=second.text)).status for _ in range(3)]


async def test_nobody_is_limited_in_looking_after_the_service(limited: Service) -> None:
    """Health, metrics and documentation, with a key that has no call left, as often as anybody likes."""
    for _ in range(6):
        await limited.get(STATUS)
    for path in ("/health", "/health/ready", "/health/live", "/metrics", "/docs"):
        for _ in range(10):
            reply = await limited.get(path)
            assert (200, None) == (reply.status, reply.headers.get("RateLimit"))
    metrics = (await limited.get("/metrics")).body.decode()
    assert 'loyalty_rate_limited_total{by="client"} 1.0' in metrics
    assert "loyalty_rate_limits_shared 1.0" in metrics


async def test_processes_share_one_limit(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Of 120 calls at once to three services that know nothing of one another, exactly fifty are let through."""
    limits = LimitSettings(client_rate=SLOW, client_burst=50)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running_service(settings(database_url, redis_url, pdi, limits=limits)))
        others = [
            await stack.enter_async_context(
                running_service(settings(database_url, redis_url, pdi, limits=limits), key=first.key)
            )
            for _ in range(2)
        ]
        services = [first, *others]
        replies = await asyncio.gather(*(services[number % 3].get(STATUS) for number in range(120)))
    assert {404: 50, 429: 70} == Counter(reply.status for reply in replies)


async def test_a_flood_costs_few_commands_and_one_line(limited: Service, redis_url: str) -> None:
    """Calls that come together are asked for together; who was refused is refused without asking anybody."""

    async def commands() -> int:
        async with Redis.from_url(redis_url) as client:
            return int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])

    for _ in range(5):
        await limited.get(STATUS)
    before = await commands()
    with capture_logs() as lines:
        replies = await asyncio.gather(*(limited.get(STATUS) for _ in range(200)))
        replies += [await limited.get(STATUS) for _ in range(50)]
    assert {429} == {reply.status for reply in replies}
    assert 1 <= await commands() - before <= 50
    told = [line for line in lines if line.get("context") in {"TurnedAway", "LoyaltyController"}]
    assert ["Calls were turned away"] == [line["event"] for line in told]


async def test_clients_with_limits_of_their_own(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """More, less, or none at all, by their names."""
    limits = LimitSettings(client_rate=SLOW, client_burst=2, by_client=f"large={SLOW}/6, free=0", failed_burst=1000)
    async with running_service(settings(database_url, redis_url, pdi, limits=limits)) as service:
        granted = {}
        for client in ("demo", "large", "free"):
            key = service.key if client == "demo" else (await service.new_key(client, f"{client}-*")).text
            replies = [await service.get(STATUS, key=key) for _ in range(10)]
            granted[client] = sum(reply.status != 429 for reply in replies)
    assert {"demo": 2, "large": 6, "free": 10} == granted


def test_lists_of_clients() -> None:
    """Without a number of calls at once, two seconds' worth."""
    limits = parse_client_limits("a=50/100, b=0.5 ,c=0,")
    assert (50, 100) == (limits["a"].per_second, limits["a"].burst) if limits["a"] else None
    assert (0.5, 1) == (limits["b"].per_second, limits["b"].burst) if limits["b"] else None
    assert limits["c"] is None
    for wrong in ("a", "a=", "a=x", "a=1/x", "a b=1", "=1"):
        with pytest.raises(ValueError, match="not a limit"):
            parse_client_limits(wrong)


# -- keys that open nothing


async def test_an_address_that_tries_keys_is_turned_away(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """After so many wrong keys it is not even told that they are wrong, and none is looked up any more.

    Keys that are known to be good still open: behind one address there may be a shop, of which one till is ill.
    """
    limits = LimitSettings(failed_rate=SLOW, failed_burst=10)
    async with running_service(settings(database_url, redis_url, pdi, limits=limits)) as service:
        assert 404 == (await service.get(STATUS)).status
        replies = [await service.get(STATUS, key=new_key().text) for _ in range(15)]
        assert [401] * 10 + [429] * 5 == [reply.status for reply in replies]
        assert [("address", 0)] * 5 == [standing(reply) for reply in replies[10:]]
        known = len(service.container.keyring()._known)
        for wrong in (new_key().text, "lk_nonsense", ""):
            assert (429, "rate_limited") == (await service.get(STATUS, key=wrong)).refusal
        assert known == len(service.container.keyring()._known)
        assert 404 == (await service.get(STATUS)).status
        assert 200 == (await service.get("/health", key="")).status
        metrics = (await service.get("/metrics")).body.decode()
    assert 'loyalty_rate_limited_total{by="address"} 8.0' in metrics


# -- without Redis


async def test_without_redis_each_process_counts_by_itself(database_url: str, pdi: Pdi) -> None:
    """The limit still holds, in each process whole; metrics and health say so."""
    nowhere = CacheSettings(url="redis://127.0.0.1:9")
    async with running_service(settings(database_url, "", pdi, cache=nowhere, limits=FIVE)) as service:
        replies = [await service.get(STATUS) for _ in range(8)]
        assert [404] * 5 + [429] * 3 == [reply.status for reply in replies]
        metrics = (await service.get("/metrics")).body.decode()
        assert "loyalty_rate_limits_shared 0.0" in metrics
        assert re.search(r"loyalty_rate_limits_alone_total [5-8]\.0", metrics)
        assert "down" == (await service.get("/health/ready")).json["checks"]["redis"]["status"]


async def test_a_redis_that_hangs_costs_little_and_is_found_again(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Only calls that meet its end wait for it, a quarter of a second; once it answers again it is asked again."""
    limits = LimitSettings(client_rate=SLOW, client_burst=1000)
    watch = WatchSettings(health_interval=0.1)
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        cache = CacheSettings(url=f"redis://127.0.0.1:{proxy.port}/0")
        async with running_service(settings(database_url, "", pdi, cache=cache, limits=limits, watch=watch)) as service:
            allowances = service.container.allowances()
            assert ("client", 999) == standing(await service.get(STATUS))
            proxy.mode = Mode.BLACKHOLE
            assert ("client", 999) == standing(await service.get(STATUS))  # of this process's own
            assert allowances.is_away
            asked: list[object] = []
            allowances.put = asked.append  # type: ignore[assignment,method-assign]  # noted, and never sent
            replies = await asyncio.gather(*(service.get(STATUS) for _ in range(50)))
            assert {404} == {reply.status for reply in replies}
            assert len(asked) < 10  # whether it is back, now and then; not by each call
            del allowances.put  # the class's own again
            proxy.mode = Mode.PASS
            await soon(lambda: not allowances.is_away, "Redis is asked again")
            # One less, or some more: the question that was not answered may have been heard, and counted calls ahead.
            name, left = standing(await service.get(STATUS))
            assert name == "client"
            assert 999 - 1000 / 64 - 2 <= left <= 998


async def test_a_redis_that_is_too_slow_is_degraded(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """It answers who asks for its health, and limits do without it."""
    watch = WatchSettings(health_interval=0.05)
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        cache = CacheSettings(url=f"redis://127.0.0.1:{proxy.port}/0")
        async with running_service(settings(database_url, "", pdi, cache=cache, watch=watch)) as service:
            service.container.allowances()._set_away(away=True)
            service.container.allowances()._try_at = float("inf")
            async with asyncio.timeout(5):
                while True:
                    redis = (await service.get("/health/ready")).json["checks"]["redis"]
                    if redis["status"] == "degraded":
                        break
                    await asyncio.sleep(0.02)
