import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from loyalty_core.domain.errors import Overloaded, StorageUnavailable
from loyalty_web.health import CheckStatus, HealthMonitor, HealthStatus, HostView, Ping

CLOSED = HostView("CLOSED", "CLOSED", 0.0123)


async def answers() -> None:
    """A dependency that answers."""


async def is_away() -> None:
    raise StorageUnavailable


async def is_busy() -> None:
    raise Overloaded


async def is_silent() -> None:
    await asyncio.Event().wait()


def a_monitor(
    database: Ping = answers, redis: Ping = answers, host: HostView = CLOSED, *, strict: bool = False
) -> HealthMonitor:
    return HealthMonitor(database=database, redis=redis, host=lambda: host, patience=0.02, strict=strict)


@pytest.mark.parametrize(
    ("monitor", "status", "ready", "strictly_ready"),
    [
        ({}, "healthy", True, True),
        ({"redis": is_away}, "degraded", True, False),
        ({"redis": is_silent}, "degraded", True, False),
        ({"host": HostView("OPEN", "CLOSED", 0.1)}, "degraded", True, False),
        ({"host": HostView("CLOSED", "OPEN", 0.1)}, "degraded", True, False),
        ({"host": HostView("HALF_OPEN", "CLOSED", 4.5)}, "healthy", True, True),
        ({"database": is_busy}, "healthy", True, True),
        ({"database": is_away}, "unhealthy", False, False),
        ({"database": is_silent}, "unhealthy", False, False),
        ({"database": is_away, "redis": is_away, "host": HostView("OPEN", "OPEN", None)}, "unhealthy", False, False),
    ],
)
async def test_what_a_prober_may_conclude(
    monitor: dict[str, object], status: str, ready: bool, strictly_ready: bool
) -> None:
    """Only the database takes traffic away; read literally, Redis and PDI do too. No dependency ends a process."""
    for strict, expected in ((False, ready), (True, strictly_ready)):
        watched = a_monitor(**monitor, strict=strict)  # type: ignore[arg-type]  # a table of keyword arguments
        await watched.look()
        assert (status, expected, True) == (watched.report().status.value, watched.is_ready, watched.is_alive)


async def test_the_body_is_that_of_the_published_example() -> None:
    """Field for field: status, timestamp, uptime, and each check with its latency in milliseconds."""
    watched = a_monitor(host=HostView("HALF_OPEN", "CLOSED", 4.5))
    await watched.look()
    body = msgspec.json.decode(msgspec.json.encode(watched.report()))
    assert ["status", "timestamp", "uptime", "checks"] == list(body)
    assert {"status": "degraded", "circuitBreaker": "HALF_OPEN", "latency": 4500.0} == body["checks"]["pdi"]
    assert {"status", "latency"} == set(body["checks"]["database"]) == set(body["checks"]["redis"])
    assert body["timestamp"].endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])).total_seconds() < 2
    assert isinstance(body["uptime"], int)


async def test_nobody_is_sent_here_before_the_first_look() -> None:
    """A process that has not seen its database yet is not ready, and alive."""
    watched = a_monitor()
    assert (False, True) == (watched.is_ready, watched.is_alive)
    assert HealthStatus.UNHEALTHY is watched.report().status


async def test_nobody_is_sent_here_once_the_end_has_begun() -> None:
    """From the signal on, while calls are finished: not ready, and alive."""
    watched = a_monitor()
    await watched.look()
    watched.begin_shutdown()
    assert (False, True) == (watched.is_ready, watched.is_alive)
    assert HealthStatus.UNHEALTHY is watched.report().status


async def test_a_look_takes_no_longer_than_the_patience() -> None:
    """Two dependencies that never answer are waited for together, and not for long."""
    watched = a_monitor(is_silent, is_silent)
    async with asyncio.timeout(1):
        await watched.look()
    assert CheckStatus.DOWN is watched.report().checks.redis.status


async def test_what_was_seen_long_ago_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the looking itself has stopped, the process is beyond help, and says so."""
    watched = a_monitor()
    await watched.look()
    later = time.monotonic() + 60
    monkeypatch.setattr("loyalty_web.health.time.monotonic", lambda: later)
    assert (False, False) == (watched.is_ready, watched.is_alive)


async def test_the_looking_survives_a_fault_of_its_own() -> None:
    """An error in whoever listens is logged by its kind, and the next look comes."""
    seen: list[Mapping[str, CheckStatus]] = []
    enough = asyncio.Event()

    def listen(statuses: Mapping[str, CheckStatus]) -> None:
        seen.append(statuses)
        if len(seen) == 3:
            enough.set()
        if len(seen) == 1:
            raise RuntimeError("Ada Lovelace")

    watched = HealthMonitor(database=answers, redis=answers, host=lambda: CLOSED, interval=0.001, on_look=listen)
    with capture_logs() as lines:
        running = asyncio.create_task(watched.run())
        async with asyncio.timeout(5):
            await enough.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert ["RuntimeError"] == [line["error"] for line in lines if line["log_level"] == "error"]
    assert "Ada" not in str(lines)
