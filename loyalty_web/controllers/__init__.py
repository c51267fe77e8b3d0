"""The calls. Each handler decodes, asks one use case, and encodes; nothing is decided here."""

from loyalty_web.controllers.health import health, live, ready
from loyalty_web.controllers.metrics import metrics
from loyalty_web.controllers.session_list import list_sessions
from loyalty_web.controllers.sessions import (
    calculate_rewards,
    cancel,
    finalize,
    get_session_status,
    identify,
    return_goods,
)

__all__ = (
    "calculate_rewards",
    "cancel",
    "finalize",
    "get_session_status",
    "health",
    "identify",
    "list_sessions",
    "live",
    "metrics",
    "ready",
    "return_goods",
)
