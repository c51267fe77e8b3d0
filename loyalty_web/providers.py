"""The one bridge between the container and Litestar: what handlers may ask for, by name."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from loyalty_core.domain.caller import Caller
from loyalty_core.ports.api_keys import ApiKey
from loyalty_web.container import Container
from loyalty_web.desk import Desk

ThingT = TypeVar("ThingT")


def dependencies(container: Container) -> dict[str, Provide]:
    """Everything a handler may name as a parameter."""
    return {
        "caller": Provide(_caller, sync_to_thread=False),
        "list_sessions": _from(container.list_sessions),
        "monitor": _from(container.health),
        "metrics_text": Provide(lambda: container.telemetry().registry, sync_to_thread=False),
    }


def _from(make: Callable[[], ThingT]) -> Provide:
    """Litestar looks into what it is given, and a container's provider is not what it expects; a function is."""

    def give() -> Any:
        return make()

    return Provide(give, sync_to_thread=False)


def desk_of(container: Container) -> Callable[[Caller], Desk]:
    """What gives each call of a sale its desk, the program in force for it included."""

    def desk(caller: Caller) -> Desk:
        return Desk(caller, container.programs().current(), container.loyalty())

    return desk


def _caller(request: Request[Caller, ApiKey, State]) -> Caller:
    return request.user
