"""The one bridge between the container and Litestar: what handlers may ask for, by name."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from loyalty_core.domain.caller import Caller
from loyalty_core.ports.api_keys import ApiKey
from loyalty_web.container import Container

ThingT = TypeVar("ThingT")


def dependencies(container: Container) -> dict[str, Provide]:
    """Everything a handler may name as a parameter."""
    return {
        "caller": Provide(_caller, sync_to_thread=False),
        "identify_customer": _from(container.identify_customer),
        "calculate_rewards": _from(container.calculate_rewards),
        "finalize_session": _from(container.finalize_session),
        "cancel_session": _from(container.cancel_session),
        "return_purchase": _from(container.return_purchase),
        "get_session_status": _from(container.get_session_status),
        "list_sessions": _from(container.list_sessions),
        "monitor": _from(container.health),
        "metrics_text": Provide(lambda: container.telemetry().registry, sync_to_thread=False),
        "program": Provide(lambda: container.programs().current(), sync_to_thread=False),
    }


def _from(make: Callable[[], ThingT]) -> Provide:
    """Litestar looks into what it is given, and a container's provider is not what it expects; a function is."""

    def give() -> Any:
        return make()

    return Provide(give, sync_to_thread=False)


def _caller(request: Request[Caller, ApiKey, State]) -> Caller:
    return request.user
