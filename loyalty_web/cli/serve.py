import asyncio
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn, cast

import click
from litestar.types import ASGIApp

from loyalty_adapters.observability import SHARED_METRICS, clear_shared_metrics, configure_logging
from loyalty_web.app import create_app
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.preflight import listen, refuse_to_start_in_vain
from loyalty_web.container import Container
from loyalty_web.draining import DrainingServer
from loyalty_web.ending import EXIT_CODE, Ending
from loyalty_web.garbage import collect_seldom
from loyalty_web.hangups import answer_hangups, hold_hangups
from loyalty_web.health import HealthMonitor
from loyalty_web.http_protocol import ServiceConfig
from loyalty_web.last_program import last_program_shared
from loyalty_web.settings import Settings, read_settings
from loyalty_web.translated_settings import log_form
from loyalty_web.watchdog import Watchdog, Watched
from loyalty_web.web_processes import WebProcesses

_FOR_CALLS: Final = 0.9
"""Of the time to the end, what calls under way have; the rest is for those whose POS has hung up, and for good-byes."""


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Web processes; WEB_WORKERS says the same.")
def serve(workers: int | None) -> None:
    """Answer POS terminals over HTTP, until SIGTERM or SIGINT; calls under way are finished first.

    For DRAIN_SECONDS after the signal it answers on, not ready, so that load balancers notice; everything is over
    within SHUTDOWN_SECONDS. The same signal once more ends it at once.

    SIGHUP makes it read its reward program again; a change of the file is noticed without one.
    """
    with plainly():
        settings = read_settings()
        program = Container(
            settings=settings
        ).program()  # a program that cannot be used is better told now than by a child
    refuse_to_start_in_vain(settings)
    hold_hangups()
    listener = listen(settings)
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
        # An int by its type, and never used as one.
        timeout_graceful_shutdown=cast("int", _FOR_CALLS * (settings.web.shutdown_seconds - settings.drain_seconds)),
        ssl_certfile=settings.tls.certificate or None,
        ssl_keyfile=settings.tls.key or None,
    )
    if config.workers == 1:
        server = DrainingServer(config)
        server.run(sockets=[listener])
        sys.exit(0 if server.started else EXIT_CODE)
    processes = WebProcesses(config, [listener], settings.web.shutdown_seconds)
    with _shared_metrics(), last_program_shared(program):
        processes.run()
    sys.exit(0 if processes.ended_well else EXIT_CODE)


def application() -> ASGIApp:
    """The application of one web process, by the settings in its environment."""
    settings = read_settings()
    container = Container(settings=settings)
    configure_logging(log_form(settings), container.traces(), for_good=True)
    _end_with_parent(container.health())
    _end_in_order(settings, container.health())
    answer_hangups(container.program_watch().look_now)
    lag = container.telemetry().metrics.loop_lag.set
    app = Watched(create_app(container), Watchdog(settings.watch.watchdog, on_lag=lag))
    collect_seldom()
    return app


def _end_in_order(settings: Settings, monitor: HealthMonitor) -> None:
    """Not ready from the moment a signal asks for the end, and ended some time later, when no more is sent here.

    The server has installed its handlers already; ours go before.
    """
    ending = Ending(settings.web.shutdown_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        served = signal.getsignal(number)

        def leave(number: int, _: FrameType | None, served: Any = served) -> None:
            if not ending.is_first(number):
                return
            monitor.begin_shutdown()
            if callable(served):
                loop.call_soon_threadsafe(loop.call_later, settings.drain_seconds, served, number, None)

        signal.signal(number, leave)


def _end_with_parent(monitor: HealthMonitor) -> None:
    """One of several web processes ends, in order, when the one that watches over them is gone without a word."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        if not monitor.is_stopping:
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


def _leave(_: int, __: object) -> NoReturn:
    """What a signal does outside of the server, and after it, which gives it on: an end like any other."""
    sys.exit(0)
