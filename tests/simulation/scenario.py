"""One history from one seed, and its judgement."""

import asyncio
import random
from collections import Counter
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final

import msgspec

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.identify_customer import Identify
from loyalty_core.use_cases.pricing import Authority
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.simulation.faults import Fault, Meeting, Weather
from tests.simulation.gates import WorldClock
from tests.simulation.history import Call, History, Violation
from tests.simulation.judge import Judge, owed
from tests.simulation.ledger_check import check_ledger
from tests.simulation.pdi import SimulatedPdi
from tests.simulation.process import Process
from tests.simulation.service import PARKED_AFTER, Build, Programs, Shared, WebProcess, work_for_ever
from tests.simulation.tills import Till
from tests.simulation.views import Views
from tests.simulation.virtual_loop import VirtualLoop

_CALL: Final[ContextVar[Call | None]] = ContextVar("_CALL", default=None)
_LONGEST_DRAIN: Final = PARKED_AFTER.total_seconds() * 2


class Outcome(msgspec.Struct, frozen=True):
    """What a history came to."""

    seed: int
    struck: Counter[Fault]
    answers: Counter[str]
    """How calls ended: ``finalize 200``, ``finalize in_flight``, ``identify no answer``, …"""
    seconds: float
    """Virtual ones."""
    trace: tuple[str, ...]


class Scenario:
    """The world of one history."""

    def __init__(self, seed: int, build: Build, *, weather: Weather | None = None, keep: bool = False) -> None:
        self.seed: Final = seed
        self.lot: Final = random.Random(seed)
        self.loop: Final = VirtualLoop(self.lot)
        self.weather: Final = weather or Weather(self.lot)
        self.history: Final = History(self.loop.time, keep=keep)
        clock = WorldClock(self.loop)
        store = build.store(clock)
        pdi = SimulatedPdi(self.history.note)
        self.views: Final = Views(store, pdi, self.loop.time)
        programs = Programs()
        short = self.weather.strikes(Fault.EXPIRY)
        self.shared: Final = Shared(
            store=store,
            queue=build.queue(store),
            cache=MemoryAnswerCache(clock),
            identifiers=MemoryIdentifierSource(clock, seed),
            pdi=pdi,
            judge=Judge(self.views),
            programs=programs,
            archive=programs.archive(),
            authority=self.lot.choice(tuple(Authority)),
            session_ttl=timedelta(seconds=8) if short else timedelta(hours=24),
            build=build,
        )
        self.webs: Final[list[WebProcess]] = []
        self._waiting: dict[Call, asyncio.Future[None]] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._calm = False

    # -- processes

    def start_web(self, place: int) -> None:
        """A web process, started again some time after it has died."""
        process = Process(f"web-{place}", self.loop, self.weather, self.history)
        web = WebProcess(process, self.shared)
        web.flights.boarded = self._boarded
        self.webs[place:] = [web, *self.webs[place + 1 :]]
        process.on_death = lambda: self._web_died(web, place)

    def start_worker(self, place: int) -> None:
        process = Process(f"worker-{place}", self.loop, self.weather, self.history)
        self._tasks.append(self.loop.create_task(work_for_ever(process, self.shared)))

        def died() -> None:
            self.loop.call_later(self.lot.choice((0.1, 5.0, 30.0)), self.start_worker, place)

        process.on_death = died

    def _web_died(self, web: WebProcess, place: int) -> None:
        self.shared.judge.process_died(web.process)
        for call, reply in tuple(self._waiting.items()):
            if call.process == web.process.name and not reply.done():
                reply.set_result(None)
        self.loop.call_later(self.lot.choice((0.1, 2.0, 20.0)), self.start_web, place)

    # -- calls

    async def send(self, command: Any, *, patience: float | None = None) -> Call:
        """One call to a web process chosen by lot; the call without an answer where there is none."""
        web = self.lot.choice(self.webs)
        kind = type(command).__name__.lower()
        call = Call(len(self.history.calls) + 1, kind, command, web.process.name, self.loop.time())
        self.history.calls.append(call)
        self.history.note("till", "%s to %s: %r", call, web.process.name, command)
        if not web.process.alive:
            self._end(call, web, "connection refused")
            return call
        reply = self._waiting[call] = self.loop.create_future()
        task = self.loop.create_task(self._serve(web, call, reply))
        if patience is not None:
            self.loop.call_later(patience, self._hang_up, call, reply, task)
        await reply
        self._waiting.pop(call, None)
        self._end(call, web, "no answer")
        return call

    async def _serve(self, web: WebProcess, call: Call, reply: "asyncio.Future[None]") -> None:
        _CALL.set(call)
        answer: Any = None
        error: LoyaltyError | None = None
        body: bytes | None = None
        try:
            answer, body = await web.handle(call.command)
        except LoyaltyError as refused:
            error = refused
        except Exception as bug:
            if not reply.done():
                reply.set_exception(Violation(f"{call} ended in {bug!r}"))
            raise
        if not web.process.alive:
            return
        await web.process.sleep(0)
        if not reply.done():
            call.answer, call.body, call.error = answer, body, error
            reply.set_result(None)

    def _hang_up(self, call: Call, reply: "asyncio.Future[None]", task: "asyncio.Task[None]") -> None:
        if not reply.done():
            self.history.note("till", "%s: hangs up", call)
            reply.set_result(None)
            task.cancel()

    def _end(self, call: Call, web: WebProcess, nothing: str) -> None:
        call.ended = self.loop.time()
        call.stalled = web.process.stalled_since(call.started)
        self.history.note("till", "%s: %s", call, call.code or (nothing if call.answer is None else call.answer))

    def _boarded(self, flight: int) -> None:
        call = _CALL.get()
        if call is not None:
            call.flight = flight

    # -- the history

    def run(self) -> Outcome:
        """Play it and judge it.

        Raises:
            Violation: a promise was broken.
        """
        self.loop.play(self._play())
        self.judge_again()
        for failure in self.loop.failures:
            raise Violation(f"nobody took care of {failure!r}")
        return Outcome(
            self.seed,
            self.weather.struck,
            Counter(f"{call.kind} {_ending(call)}" for call in self.history.calls),
            self.loop.time(),
            tuple(self.history.lines),
        )

    def judge_again(self) -> None:
        """Hold what is on record now to what was answered; raises as `run` does."""
        check_ledger(self.history.calls, self.shared.judge, self.views)

    async def _play(self) -> None:
        for place in range(self.lot.choice((1, 2, 2, 3))):
            self.start_web(place)
        for place in range(self.lot.choice((1, 1, 2))):
            self.start_worker(place)
        clock = self.shared.store.clock
        tills = [Till(number, self.send, clock.sleep, self.weather) for number in range(self.lot.choice((1, 1, 2, 3)))]
        self._tasks.append(self.loop.create_task(self._meddle()))
        await asyncio.gather(*(till.sell() for till in tills))
        self.weather.clear_up()
        self._calm = True
        self.history.note("world", "faults end")
        await self._drain()
        await self._ask_again()

    async def _meddle(self) -> None:
        """What jobs and operators do beside the calls."""
        while not self._calm:
            await self.shared.store.clock.sleep(self.lot.choice((0.1, 1.0, 4.0)))
            if self.weather.strikes(Fault.ANSWERS_CLEARED):
                self.shared.store.clear_answers()
            if self.weather.strikes(Fault.CACHE_FLUSHED):
                self.shared.cache.clear()
            if self.weather.strikes(Fault.PROGRAM_SWAPPED):
                self.shared.programs.swap()

    async def _drain(self) -> None:
        """Until nothing is owed but what an operator has to decide, and what was sent has arrived, however late."""
        await self.shared.store.clock.sleep(90)
        deadline = self.loop.time() + _LONGEST_DRAIN
        while any(map(_waits, self.shared.store.all())):
            self._check_tasks()
            if self.loop.time() > deadline:
                raise Violation("the queue does not drain")
            await self.shared.store.clock.sleep(5)
        self._check_tasks()

    async def _ask_again(self) -> None:
        """Each sale's calls once more, from the record and from what is left when the record was cleared."""
        asked = list(self.history.calls)
        for _ in range(2):
            for call in asked:
                if isinstance(call.command, Identify | Finalize | ReturnGoods) and call.answer is not None:
                    await self.send(call.command)
            self.shared.store.clear_answers()
            self.shared.cache.clear()

    def _check_tasks(self) -> None:
        for task in self._tasks:
            error = task.exception() if task.done() else None
            if error is not None:
                raise Violation(f"a worker has died of {error!r}") from error


def _waits(session: Session) -> bool:
    """Whether a session owes something that workers can still settle."""
    owes = session.status is SessionStatus.FINALIZING or any(goods.is_owed for goods in session.returns)
    return owes and owed(session)[1].parked_at is None


def _ending(call: Call) -> str:
    if call.answer is not None:
        settles_later = getattr(call.answer, "status", None) in {SessionStatus.FINALIZING, ReturnStatus.ACCEPTED}
        return "202" if settles_later and call.kind in {"finalize", "returngoods"} else "200"
    return call.code or "no answer"


def play(seed: int, build: Build | None = None, meeting: Meeting | None = None) -> Outcome:
    """The history of `seed`, judged; of the service as it is, or of another `build`, or where certain faults meet."""
    weather = None if meeting is None else Weather(random.Random(seed), meeting)
    return Scenario(seed, build or Build(), weather=weather).run()
