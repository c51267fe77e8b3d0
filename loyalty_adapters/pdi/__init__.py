"""`LoyaltyHost` over PDI's HTTP API: OAuth2, circuit breaker, bulkhead, deadlines, strict reading."""

from loyalty_adapters.pdi.breaker import CircuitState, StateListener
from loyalty_adapters.pdi.client import CallListener, HeaderSource, PdiClient, PdiHealth
from loyalty_adapters.pdi.outcomes import Outcome
from loyalty_adapters.pdi.settings import CircuitSettings, PdiSettings

__all__ = (
    "CallListener",
    "CircuitSettings",
    "CircuitState",
    "HeaderSource",
    "Outcome",
    "PdiClient",
    "PdiHealth",
    "PdiSettings",
    "StateListener",
)
