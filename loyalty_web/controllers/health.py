import time
from datetime import UTC, datetime
from typing import Final

import msgspec
from litestar import get

from loyalty_web.authentication import OPEN_TO_ALL

_STARTED: Final = time.monotonic()


class HealthAnswer(msgspec.Struct, frozen=True):
    """That the process answers."""

    status: str
    timestamp: datetime
    uptime: int
    """Seconds since the process started."""


@get(
    "/health",
    opt={OPEN_TO_ALL: True},
    summary="Whether the process answers",
    response_description="It does.",
    sync_to_thread=False,
    tags=["health"],
)
def health() -> HealthAnswer:
    """The process alone; nothing it depends on is asked."""
    now = datetime.now(UTC).replace(microsecond=0)
    return HealthAnswer(status="healthy", timestamp=now, uptime=int(time.monotonic() - _STARTED))
