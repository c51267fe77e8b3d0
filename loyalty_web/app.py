"""The HTTP application: the calls, judged in order, with every error as a problem and every answer bounded."""

from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp

from loyalty_web.authentication import Authentication
from loyalty_web.container import Container, running
from loyalty_web.controllers import (
    calculate_rewards,
    cancel,
    finalize,
    get_session_status,
    health,
    identify,
    list_sessions,
    live,
    metrics,
    ready,
    return_goods,
)
from loyalty_web.docs_page import docs
from loyalty_web.edge import Edge
from loyalty_web.one_program import OneProgram
from loyalty_web.openapi import configuration
from loyalty_web.problem_details import exception_handlers
from loyalty_web.providers import dependencies, desk_of
from loyalty_web.request_bodies import BODY_SECONDS, DESK, MAX_BODY_BYTES, JsonRequest
from loyalty_web.saturation import Saturation
from loyalty_web.transport_headers import TransportHeaders


def create_app(container: Container) -> ASGIApp:
    """The service as one ASGI application. Everything in `container` is opened by its lifespan and closed after it."""
    app = OneProgram(create_litestar(container), container.programs())
    monitor = container.health()
    transport = TransportHeaders(
        container.origins(), container.settings().proxies.hsts_seconds, lambda: monitor.is_stopping
    )
    return Edge(app, container.traces(), container.telemetry().metrics, transport)


def create_litestar(container: Container) -> Litestar:
    """The application inside its edge."""

    def lifespan(_: Litestar) -> AbstractAsyncContextManager[None]:
        return running(container)

    # With a port of their own, metrics are there and nowhere else.
    read_here = () if container.settings().watch.metrics_port else (metrics,)
    return Litestar(
        route_handlers=[
            identify,
            calculate_rewards,
            finalize,
            cancel,
            return_goods,
            get_session_status,
            list_sessions,
            health,
            ready,
            live,
            docs,
            *read_here,
        ],
        dependencies=dependencies(container),
        # The order in which calls are judged: whose it is, how often, whether there is room, and only then its body.
        middleware=[
            DefineMiddleware(
                Authentication,
                keyring=container.keyring(),
                limits=container.rate_limits(),
                origins=container.origins(),
            ),
            DefineMiddleware(Saturation, admission=container.admission()),
        ],
        exception_handlers=exception_handlers(),
        request_class=JsonRequest,
        request_max_body_size=MAX_BODY_BYTES,
        state=State({BODY_SECONDS: container.settings().web.body_seconds, DESK: desk_of(container)}),
        lifespan=[lifespan],
        openapi_config=configuration(),
        logging_config=None,
        debug=False,
    )
