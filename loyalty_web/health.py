"""How the service is, as seen from this process: looked at in the background, answered from memory.

A health endpoint that asks its dependencies when it is itself asked is slow exactly when somebody wants to know, and
turns every prober into load. So the state is refreshed every few seconds whoever asks, or nobody.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import structlog

from loyalty_core.domain.errors import Overloaded

_STALE_AFTER: Final = 30.0
"""Seconds without a look, beyond its interval, after which what was seen last says nothing any more."""
_STARTED: Final = time.monotonic()

_log = structlog.get_logger(context="Health")


class CheckStatus(StrEnum):
    """How a dependency is."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class HealthStatus(StrEnum):
    """How the service is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It keeps its promises, some of them later."""
    UNHEALTHY = "unhealthy"


class Degraded(Exception):
    """A dependency answers, but not as it should."""


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One dependency."""

    status: CheckStatus
    latency: float | None
    """Milliseconds of the last exchange that was answered; null before the first, and while it is down."""
    circuit_breaker: str | None = None
    """`CLOSED`, `HALF_OPEN` or `OPEN`, where there is one."""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What the service depends on."""

    database: Check
    redis: Check
    pdi: Check


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The service as a whole."""

    status: HealthStatus
    timestamp: datetime
    uptime: int
    """Seconds since the process started."""
    checks: Checks


class HostView(NamedTuple):
    """PDI as the last calls have left it; nobody asks it for the sake of this."""

    circuit: str
    token_circuit: str
    latency: float | None
    """Seconds."""


Ping = Callable[[], Awaitable[object]]
"""Returns where the dependency answers; raises `Degraded` where it does so badly, `Overloaded` where it is ours that
cannot ask, anything else where it is away."""


def uptime() -> int:
    """Seconds since the process started."""
    return int(time.monotonic() - _STARTED)


class HealthMonitor:
    """Looks after the dependencies, and says what a prober may conclude.

    PDI or Redis being away is `degraded` and no reason to send the traffic elsewhere: every other replica is as badly
    off, and the service answers without them. `strict` is the literal reading, by which it is.
    """

    def __init__(
        self,
        *,
        database: Ping,
        redis: Ping,
        host: Callable[[], HostView],
        interval: float = 2.0,
        patience: float = 1.0,
        strict: bool = False,
        on_look: Callable[[Mapping[str, CheckStatus]], None] | None = None,
    ) -> None:
        """Looks every `interval` seconds; a dependency that takes longer than `patience` to answer is down."""
        self._database = database
        self._redis = redis
        self._host = host
        self._interval = interval
        self._patience = patience
        self._strict = strict
        self._on_look = on_look
        self._checks: Checks | None = None
        self._looked_at = time.monotonic()
        self._stopping = False

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a fault here must not end the looking; staleness will tell
                _log.error("Health could not be looked at", error=type(error).__name__)
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Refresh the state once; takes no longer than the patience."""
        database, redis = await asyncio.gather(self._ask(self._database), self._ask(self._redis))
        checks = Checks(database=database, redis=redis, pdi=_judged(self._host()))
        if self._checks is None or _statuses(checks) != _statuses(self._checks):
            _log.info("Dependencies looked at", **_statuses(checks))
        self._checks = checks
        self._looked_at = time.monotonic()
        if self._on_look is not None:
            self._on_look(_statuses(checks))

    def begin_shutdown(self) -> None:
        """From now on no prober shall send more work here."""
        self._stopping = True

    @property
    def is_stopping(self) -> bool:
        """Whether the process was told to end."""
        return self._stopping

    @property
    def is_ready(self) -> bool:
        """Whether traffic should come here."""
        checks = self._checks
        if self._stopping or checks is None or not self.is_alive or checks.database.status is CheckStatus.DOWN:
            return False
        return not self._strict or CheckStatus.DOWN not in {checks.redis.status, checks.pdi.status}

    @property
    def is_alive(self) -> bool:
        """Whether the process can still be helped by anything but its end. No dependency has a say in it."""
        return time.monotonic() - self._looked_at < self._interval + self._patience + _STALE_AFTER

    def report(self) -> Health:
        """The state as it was last seen."""
        checks = self._checks or _UNSEEN
        statuses = set(_statuses(checks).values())
        if self._stopping or not self.is_alive or checks.database.status is CheckStatus.DOWN:
            status = HealthStatus.UNHEALTHY
        else:
            status = HealthStatus.DEGRADED if CheckStatus.DOWN in statuses else HealthStatus.HEALTHY
        now = datetime.now(UTC).replace(microsecond=0)
        return Health(status=status, timestamp=now, uptime=uptime(), checks=checks)

    async def _ask(self, ping: Ping) -> Check:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience):
                await ping()
        except (Overloaded, Degraded):
            return Check(status=CheckStatus.DEGRADED, latency=None)
        except Exception:  # noqa: BLE001 - every way of not answering means the same here
            return Check(status=CheckStatus.DOWN, latency=None)
        return Check(status=CheckStatus.UP, latency=_milliseconds(time.perf_counter() - began))


def _judged(host: HostView) -> Check:
    worst = max((host.circuit, host.token_circuit), key=_OF_CIRCUITS.index)
    latency = None if host.latency is None else _milliseconds(host.latency)
    return Check(status=_MEANING[worst], latency=latency, circuit_breaker=worst)


def _statuses(checks: Checks) -> dict[str, CheckStatus]:
    return {"database": checks.database.status, "redis": checks.redis.status, "pdi": checks.pdi.status}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


_MEANING: Final = {"CLOSED": CheckStatus.UP, "HALF_OPEN": CheckStatus.DEGRADED, "OPEN": CheckStatus.DOWN}
_OF_CIRCUITS: Final = tuple(_MEANING)
_DOWN: Final = Check(status=CheckStatus.DOWN, latency=None)
_UNSEEN: Final = Checks(database=_DOWN, redis=_DOWN, pdi=Check(status=CheckStatus.UP, latency=None))
"""Before the first look."""
