import signal
import socket
import sys
from typing import Final, NoReturn

import click
import uvicorn
from litestar.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from loyalty_adapters.observability import configure_logging
from loyalty_web.app import create_app
from loyalty_web.cli.plainly import plainly
from loyalty_web.container import Container, log_form
from loyalty_web.http_protocol import ServiceConfig
from loyalty_web.settings import Environment, Settings, read_settings

_BACKLOG: Final = 2048


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Web processes; WEB_WORKERS says the same.")
def serve(workers: int | None) -> None:
    """Answer POS terminals over HTTP, until SIGTERM or SIGINT; calls under way are finished first."""
    with plainly():
        settings = read_settings()
        _ = Container(settings=settings).program()  # a program that cannot be used is better told now than by a child
    listener = _listen(settings)
    signal.signal(signal.SIGTERM, _leave)
    config = ServiceConfig(
        "loyalty_web.cli.serve:application",
        factory=True,
        header_seconds=settings.web.header_seconds,
        workers=workers or settings.web.workers,
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.web.idle_seconds,
        timeout_graceful_shutdown=settings.web.shutdown_seconds,
    )
    server = uvicorn.Server(config)
    if config.workers == 1:
        server.run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()
    sys.exit(0 if server.started or config.workers > 1 else 1)


def application() -> ASGIApp:
    """The application of one web process, by the settings in its environment."""
    settings = read_settings()
    container = Container(settings=settings)
    configure_logging(log_form(settings), container.traces())
    return create_app(container)


def _listen(settings: Settings) -> socket.socket:
    host = settings.web.host
    if not host:
        everywhere = settings.service.environment is Environment.PRODUCTION
        host = "0.0.0.0" if everywhere else "127.0.0.1"  # noqa: S104 - a container is reached from outside
    try:
        listener = socket.create_server(
            (host, settings.web.port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host}, port {settings.web.port} ({error.strerror}): end what uses it, or set PORT."
        ) from None
    listener.set_inheritable(True)
    return listener


def _leave(_: int, __: object) -> NoReturn:
    """What SIGTERM does outside of the server, and after it, which gives the signal on: an end like any other."""
    sys.exit(0)
