from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from loyalty_web.authentication import OPEN_TO_ALL
from loyalty_web.health import Health, HealthMonitor, uptime
from loyalty_web.openapi_responses import open_to_all

_OPEN: Final[dict[str, Any]] = {OPEN_TO_ALL: True}


class HealthAnswer(msgspec.Struct, frozen=True):
    """That the process answers."""

    status: str
    timestamp: datetime
    uptime: int
    """Seconds since the process started."""


@get(
    "/health",
    opt=_OPEN,
    summary="Whether the process answers",
    response_description="It does.",
    responses=open_to_all(),
    sync_to_thread=False,
    tags=["health"],
)
def health() -> HealthAnswer:
    """The process alone; nothing it depends on is asked."""
    return HealthAnswer(status="healthy", timestamp=datetime.now(UTC).replace(microsecond=0), uptime=uptime())


def _unless(meaning: str) -> dict[int, ResponseSpec]:
    down = ResponseSpec(Health, generate_examples=False, description=meaning)
    return {**open_to_all(), HTTP_503_SERVICE_UNAVAILABLE: down}


@get(
    "/health/ready",
    opt=_OPEN,
    summary="Whether traffic should come here",
    response_description="It should, also where PDI or Redis is down (`degraded`): the service answers without them.",
    responses=_unless("It should not: the database is down, or the process is about to end."),
    sync_to_thread=False,
    tags=["health"],
)
def ready(monitor: NamedDependency[HealthMonitor]) -> Response[Health]:
    """Database, Redis and PDI, as they were last seen in the background."""
    return Response(monitor.report(), status_code=_status(fine=monitor.is_ready))


@get(
    "/health/live",
    opt=_OPEN,
    summary="How everything is, and whether the process can be helped",
    response_description="The process works, whatever its dependencies do.",
    responses=_unless("The process is beyond help: end it."),
    sync_to_thread=False,
    tags=["health"],
)
def live(monitor: NamedDependency[HealthMonitor]) -> Response[Health]:
    """The same report; no dependency's state is a reason to restart the process."""
    return Response(monitor.report(), status_code=_status(fine=monitor.is_alive))


def _status(*, fine: bool) -> int:
    return HTTP_200_OK if fine else HTTP_503_SERVICE_UNAVAILABLE
