"""The simulator as a whole: routes, tokens, faults, and no reply before what it says is durable."""

import asyncio
import gc
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from time import monotonic, time_ns
from typing import Any, Final

import uvloop

from loyalty_adapters.pdi_simulator.control import Control
from loyalty_adapters.pdi_simulator.endpoints import Endpoints
from loyalty_adapters.pdi_simulator.fault_acts import misbehave
from loyalty_adapters.pdi_simulator.faults import TOKEN, FaultPlan
from loyalty_adapters.pdi_simulator.journal import Journal, JournalError
from loyalty_adapters.pdi_simulator.ledger import Ledger
from loyalty_adapters.pdi_simulator.messages import Rejection, Reply, Request
from loyalty_adapters.pdi_simulator.oauth import TOKEN_PATH, TokenIssuer
from loyalty_adapters.pdi_simulator.program import Program
from loyalty_adapters.pdi_simulator.settings import Settings
from loyalty_adapters.pdi_simulator.stats import Call, Stats
from loyalty_adapters.pdi_simulator.wire import Connection, Exchange

JOURNAL_NAME: Final = "journal.jsonl"
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

Handler = Callable[[Request], Reply]


class Simulator:
    """PDI in one process. `start`, then `stop` once `stopping` is set: by a signal, or by a `failure` of the books."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.stopping = asyncio.Event()
        self.failure: JournalError | None = None
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.journal = Journal(settings.data_dir / JOURNAL_NAME, fsync=settings.fsync, on_failure=self._fail)
        self.ledger = Ledger(
            clock=_milliseconds, record=self.journal.append, session_ttl_hours=settings.session_ttl_hours
        )
        self.tokens = TokenIssuer(
            settings.client_id, settings.client_secret, ttl_seconds=settings.token_ttl_seconds, clock=monotonic
        )
        self.program = Program()
        self.faults = FaultPlan()
        self.stats = Stats()
        self.fault_tasks: set[asyncio.Task[None]] = set()
        self._stream_tasks: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._control = Control(self)
        endpoints = Endpoints(self.ledger, self.program)
        self._routes: dict[str, tuple[str, str, Handler]] = {
            TOKEN_PATH: ("POST", TOKEN, self.tokens.grant),
            "/identify": ("POST", "identify", endpoints.identify),
            "/calculateRewards": ("POST", "calculateRewards", endpoints.calculate_rewards),
            "/finalize": ("POST", "finalize", endpoints.finalize),
            "/return": ("POST", "return", endpoints.give_back),
            "/getSessionStatus": ("GET", "getSessionStatus", endpoints.session_status),
        }

    async def start(self) -> int:
        """Reads the books, listens, and returns the port.

        Raises:
            JournalError: the books are damaged.
            OSError: the address cannot be had.
        """
        # What is read here lives as long as the process; a collector that looks at it again and again doubles the time.
        gc.disable()
        try:
            for record in self.journal.read():
                self.ledger.books.apply(record)
        finally:
            gc.enable()
        gc.freeze()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._serve, self.connections), self._settings.host, self._settings.port, backlog=4096
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stops listening, drops what is in flight, and closes the books."""
        if self._server is not None:
            self._server.close()
        for task in self.fault_tasks | self._stream_tasks:
            task.cancel()
        self.journal.close()
        for connection in tuple(self.connections):
            connection.transport.close()

    def reset(self) -> None:
        """Empty books, seeded customers, no faults, counters at zero; tokens stay good."""
        for task in tuple(self.fault_tasks):
            task.cancel()
        self.journal.clear()
        self.ledger.clear()
        self.program.restore()
        self.faults.clear()
        self.stats.clear()

    def stream(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a long reply beside the connection that asked for it."""
        self._spawn(work, self._stream_tasks)

    def settle(self, exchange: Exchange, reply: Reply) -> None:
        """Replies once everything the reply could speak of is on disk."""
        self.journal.when_durable(lambda: exchange.reply(reply))

    def judge(self, handler: Handler, request: Request) -> Reply:
        """The handler's reply, its rejection, or a 500 for a fault of our own, which goes to stderr."""
        try:
            return handler(request)
        except Rejection as rejection:
            return rejection.reply()
        except Exception:  # noqa: BLE001 - the one place where a bug becomes a reply instead of a hung client
            traceback.print_exc()
            return Rejection(500, "simulator_error", "The simulator itself has failed; see its stderr.").reply()

    def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        route = self._routes.get(request.path)
        if route is None:
            self._control.serve(exchange)
            return
        method, endpoint, handler = route
        call = Call(endpoint, request, _milliseconds())
        self.stats.arrived(call)
        exchange.on_end = lambda status: self.stats.ended(call, status)
        if request.method != method:
            exchange.reply(Rejection(405, "method_not_allowed", f"Use {method}.", {}, (("Allow", method),)).reply())
            return
        if endpoint != TOKEN:
            try:
                self.tokens.check(request)
            except Rejection as rejection:
                exchange.reply(rejection.reply())
                return
        rule = self.faults.pick(endpoint)
        if rule is None:
            self.settle(exchange, self.judge(handler, request))
        else:
            call.fault = rule.mode
            self._spawn(misbehave(rule, exchange, lambda: self._carry_out(handler, request)), self.fault_tasks)

    async def _carry_out(self, handler: Handler, request: Request) -> Reply:
        reply = self.judge(handler, request)
        durable = asyncio.Event()
        self.journal.when_durable(durable.set)
        await durable.wait()
        return reply

    def _spawn(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            group.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                traceback.print_exception(error)

        task = asyncio.get_running_loop().create_task(work)
        group.add(task)
        task.add_done_callback(done)

    def _fail(self, error: JournalError) -> None:
        self.failure = error
        self.stopping.set()


def create_app(settings: Settings) -> Simulator:
    """A simulator that is not yet listening; call it inside a running event loop.

    Raises:
        JournalError: the data folder is in use.
    """
    return Simulator(settings)


def run(settings: Settings) -> int:
    """Runs a simulator until SIGTERM or SIGINT; the exit code: 0, or 1 with a sentence on stderr."""
    # The books only grow and connections leave no cycles behind, so a collector finds nothing: it would only stop
    # the clock, longer with every sale.
    gc.set_threshold(1_000_000, 50, 1_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_run(settings))
        except (JournalError, OSError) as error:
            sys.stderr.write(f"The PDI simulator cannot run: {error}\n")
            return 1


async def _run(settings: Settings) -> int:
    simulator = create_app(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, simulator.stopping.set)
    try:
        port = await simulator.start()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        sys.stdout.write(f"PDI simulator listening on http://{host}:{port}\n")
        sys.stdout.flush()
        await simulator.stopping.wait()
    finally:
        await simulator.stop()
    if simulator.failure is not None:
        raise simulator.failure
    return 0


def _milliseconds() -> int:
    return time_ns() // _NANOSECONDS_PER_MILLISECOND
