import asyncio
from typing import Final

import pytest

from loyalty_web.storage_settings import CacheSettings, DatabaseSettings
from loyalty_web.web_settings import WatchSettings
from tests.pdi import Pdi
from tests.web.service import Service, running_service, settings

NOWHERE: Final = "127.0.0.1:9"
"""A port that nobody listens on."""
OFTEN: Final = WatchSettings(health_interval=0.05)


async def test_no_key_is_needed(shared: Service) -> None:
    """Probers have no key."""
    for path in ("/health", "/health/ready", "/health/live"):
        assert 200 == (await shared.get(path, key="")).status


async def test_everything_up(shared: Service) -> None:
    """Ready and live give the same report; `/health` speaks of the process alone."""
    ready, live, process = [(await shared.get(f"/health{path}")).json for path in ("/ready", "/live", "")]
    assert {"database": "up", "redis": "up", "pdi": "up"} == {
        name: check["status"] for name, check in ready["checks"].items()
    }
    assert ("healthy", "CLOSED") == (ready["status"], ready["checks"]["pdi"]["circuitBreaker"])
    assert 0 < ready["checks"]["database"]["latency"] < 1000
    assert list(ready) == list(live)
    assert {"status", "timestamp", "uptime"} == set(process)


async def test_an_open_circuit_is_degraded_and_ready(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """PDI down: still 200, for the service answers without it; and the looking sends PDI nothing at all."""
    async with running_service(settings(database_url, redis_url, pdi, watch=OFTEN)) as service:
        await pdi.faults("http_500")
        for number in range(6):
            assert 201 == (await service.identify(f"TX-{number}")).status
        calls = (await pdi.stats())["calls"]
        report = await _until(service, "/health/ready", pdi="down")
        assert ("degraded", "OPEN") == (str(report["status"]), report["checks"]["pdi"]["circuitBreaker"])
        assert 200 == (await service.get("/health/ready")).status
        await asyncio.sleep(0.3)  # several looks, each of which would have been a call
        assert calls == (await pdi.stats())["calls"]


@pytest.mark.parametrize(("strict", "status"), [(False, 200), (True, 503)])
async def test_redis_down(database_url: str, pdi: Pdi, strict: bool, status: int) -> None:
    """Degraded and ready; by the literal reading not ready. The process is fine either way."""
    cache, watch = CacheSettings(url=f"redis://{NOWHERE}"), WatchSettings(strict=strict)
    async with running_service(settings(database_url, "", pdi, cache=cache, watch=watch)) as service:
        ready = await service.get("/health/ready")
        assert (status, "degraded", "down") == (
            ready.status,
            ready.json["status"],
            ready.json["checks"]["redis"]["status"],
        )
        assert ready.json["checks"]["redis"]["latency"] is None
        assert 200 == (await service.get("/health/live")).status


async def test_the_database_down(redis_url: str, pdi: Pdi) -> None:
    """Not ready, at once and without waiting for it; alive all the same, for a restart would not bring it back."""
    database = DatabaseSettings(url=f"postgresql://loyalty@{NOWHERE}/loyalty")
    async with running_service(settings("", redis_url, pdi, database=database), key="lk_none") as service:
        async with asyncio.timeout(0.5):
            ready = await service.get("/health/ready")
        assert (503, "unhealthy") == (ready.status, ready.json["status"])
        assert "down" == ready.json["checks"]["database"]["status"]
        assert 200 == (await service.get("/health/live")).status
        assert 200 == (await service.get("/health")).status


async def test_the_end_has_begun(service: Service) -> None:
    """Once a signal has asked for the end no prober sends more, while what is under way is finished."""
    service.container.health().begin_shutdown()
    assert 503 == (await service.get("/health/ready")).status
    assert 200 == (await service.get("/health/live")).status
    assert 201 == (await service.identify()).status


async def _until(service: Service, path: str, **wanted: str) -> dict[str, dict[str, dict[str, str]]]:
    async with asyncio.timeout(5):
        while True:
            report = (await service.get(path)).json
            if wanted.items() <= {name: check["status"] for name, check in report["checks"].items()}.items():
                return dict(report)
            await asyncio.sleep(0.02)
