"""One client sends twenty times what it may; another, that keeps to its limit, gets all of its answers."""

import asyncio
import time
from collections import Counter

from loyalty_web.protection_settings import LimitSettings, LoadSettings
from tests.pdi import Pdi
from tests.web.service import Service, running_service, settings

LIMIT = 20
SECONDS = 2.0


async def flood(service: Service, key: str, count: int, until: float) -> Counter[int]:
    """Calls from `count` tills, each again as soon as it is answered."""
    heard: Counter[int] = Counter()

    async def till() -> None:
        while time.monotonic() < until:
            heard[(await service.get("/getSessionStatus?sessionId=none", key=key)).status] += 1

    await asyncio.gather(*(till() for _ in range(count)))
    return heard


async def sell(service: Service, until: float) -> Counter[int]:
    """Sales, one behind the other, with time between their calls."""
    heard: Counter[int] = Counter()
    while time.monotonic() < until:
        heard[(await service.identify(f"T-{heard.total()}")).status] += 1
        await asyncio.sleep(2 / LIMIT)
    return heard


async def test_who_keeps_to_its_limit_is_not_turned_away(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """The other one gets what it may have, as exactly as the clock, and 429 for the rest."""
    limits = LimitSettings(client_rate=LIMIT, client_burst=LIMIT)
    async with running_service(settings(database_url, redis_url, pdi, limits=limits)) as service:
        greedy = (await service.new_key("greedy", "GREEDY-*")).text
        began = time.monotonic()
        until = began + SECONDS
        turned_away, sold = await asyncio.gather(flood(service, greedy, 10, until), sell(service, until))
        took = time.monotonic() - began
    assert {201} == set(sold)
    assert {404, 429} == set(turned_away)
    assert LIMIT * (1 + SECONDS) - 2 <= turned_away[404] <= LIMIT * (1 + took) + 1
    assert turned_away.total() > 3 * turned_away[404]


async def test_who_sends_little_waits_for_no_one(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Without a limit, and with room for one call at a time: the other one's calls lose their turns to each other."""
    load = LoadSettings(at_work=1, waiting=20, patience=5.0)
    limits = LimitSettings(client_rate=0)
    async with running_service(settings(database_url, redis_url, pdi, load=load, limits=limits)) as service:
        greedy = (await service.new_key("greedy", "GREEDY-*")).text
        until = time.monotonic() + SECONDS
        turned_away, sold = await asyncio.gather(flood(service, greedy, 60, until), sell(service, until))
    assert {201} == set(sold)
    assert turned_away[503] > 0
    assert turned_away[404] > 0
