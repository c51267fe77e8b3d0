import asyncio
import signal

import click
import uvloop

from loyalty_adapters.observability import clear_shared_metrics, configure_logging
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.preflight import refuse_to_start_in_vain
from loyalty_web.container import Container
from loyalty_web.ending import Ending
from loyalty_web.garbage import collect_seldom
from loyalty_web.hangups import answer_hangups, hold_hangups
from loyalty_web.settings import read_settings
from loyalty_web.translated_settings import log_form
from loyalty_web.watchdog import Watchdog
from loyalty_web.worker import work_until


@click.command()
def worker() -> None:
    """Deliver what PDI has not taken yet and run the jobs that are due, until SIGTERM or SIGINT.

    Deliveries under way are finished first; a job's run is given back, and another worker goes on with it.

    SIGHUP makes it read its reward program again; a change of the file is noticed without one.
    """
    with plainly():
        settings = read_settings()
        container = Container(settings=settings)
        _ = container.program()
    refuse_to_start_in_vain(settings)
    hold_hangups()
    clear_shared_metrics()
    configure_logging(log_form(settings), container.traces(), for_good=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(container))


async def _work(container: Container) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    ending = Ending(container.settings().web.shutdown_seconds)

    def end(number: int) -> None:
        if ending.is_first(number):
            asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    answer_hangups(container.program_watch().look_now)
    collect_seldom()
    seconds = container.settings().watch.watchdog
    with Watchdog(seconds, on_lag=container.telemetry().metrics.loop_lag.set):
        await work_until(asked, container)
