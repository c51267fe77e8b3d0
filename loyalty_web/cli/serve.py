import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

import click
import uvicorn
from litestar.types import ASGIApp

from loyalty_adapters.observability import SHARED_METRICS, clear_shared_metrics, configure_logging
from loyalty_web.app import create_app
from loyalty_web.cli.plainly import plainly
from loyalty_web.container import Container, log_form
from loyalty_web.hangups import answer_hangups, hold_hangups
from loyalty_web.health import HealthMonitor
from loyalty_web.http_protocol import ServiceConfig
from loyalty_web.last_program import last_program_shared
from loyalty_web.settings import Settings, read_settings
from loyalty_web.watchdog import Watchdog, Watched
from loyalty_web.web_processes import WebProcesses

_BACKLOG: Final = 2048


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Web processes; WEB_WORKERS says the same.")
def serve(workers: int | None) -> None:
    """Answer POS terminals over HTTP, until SIGTERM or SIGINT; calls under way are finished first.

    SIGHUP makes it read its reward program again; a change of the file is noticed without one.
    """
    with plainly():
        settings = read_settings()
        program = Container(
            settings=settings
        ).program()  # a program that cannot be used is better told now than by a child
    hold_hangups()
    listener = _listen(settings)
    clear_shared_metrics()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
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
        with _shared_metrics(), last_program_shared(program):
            WebProcesses(config, sockets=[listener]).run()
    sys.exit(0 if server.started or config.workers > 1 else 1)


def application() -> ASGIApp:
    """The application of one web process, by the settings in its environment."""
    settings = read_settings()
    container = Container(settings=settings)
    configure_logging(log_form(settings), container.traces(), for_good=True)
    _end_with_parent()
    _tell_of_shutdown(container.health())
    answer_hangups(container.program_watch().look_now)
    lag = container.telemetry().metrics.loop_lag.set
    return Watched(create_app(container), Watchdog(settings.watch.watchdog, on_lag=lag))


def _tell_of_shutdown(monitor: HealthMonitor) -> None:
    """Not ready from the moment a signal asks for the end: the server has installed its handler, ours goes before."""
    for number in (signal.SIGTERM, signal.SIGINT):
        served = signal.getsignal(number)

        def leave(number: int, frame: FrameType | None, served: Any = served) -> None:
            monitor.begin_shutdown()
            if callable(served):
                served(number, frame)

        signal.signal(number, leave)


def _end_with_parent() -> None:
    """One of several web processes ends, in order, when the one that watches over them is gone without a word."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="end-with-parent", daemon=True).start()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which the web processes count together, unless the environment has named one."""
    if SHARED_METRICS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="loyalty-metrics-") as folder:
        os.environ[SHARED_METRICS] = folder
        yield


def _listen(settings: Settings) -> socket.socket:
    host = settings.address
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
    """What a signal does outside of the server, and after it, which gives it on: an end like any other."""
    sys.exit(0)
