"""The service as deployed: web processes and workers, each with use cases of its own over what all share."""

import itertools
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import MemoryProgramArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.errors import Overloaded, StorageUnavailable
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.answers import Answer, Recorded
from loyalty_core.use_cases.calculate_rewards import Calculate, CalculateRewards
from loyalty_core.use_cases.cancel_session import Cancel, CancelSession
from loyalty_core.use_cases.deliver_pending import DeliverPending
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus, GetStatus
from loyalty_core.use_cases.identify_customer import Identify, IdentifyCustomer
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_purchase import ReturnGoods, ReturnPurchase
from loyalty_core.use_cases.settlement import Settlement
from tests.simulation.gates import (
    GatedArchive,
    GatedCache,
    GatedClock,
    GatedHost,
    GatedIdentifiers,
    GatedQueue,
    GatedStore,
)
from tests.simulation.judge import BUDGETS, Judge
from tests.simulation.pdi import SimulatedPdi
from tests.simulation.process import FLIGHT, Process, at_once

ResultT = TypeVar("ResultT")

PARKED_AFTER: Final = timedelta(minutes=10)
LARGEST_ROUND: Final = 2
"""So small that a worker often goes at full pace, and claims more while it delivers."""


class Build(msgspec.Struct, frozen=True):
    """Which classes the service is built of. An ablation swaps one for a weaker one."""

    store: type[MemorySessions] = MemorySessions
    gated_store: type[GatedStore] = GatedStore
    queue: type[MemoryDeliveryQueue] = MemoryDeliveryQueue
    flights: type[Flights] = Flights
    settlement: type[Settlement] = Settlement
    finalize: type[FinalizeSession] = FinalizeSession


class Programs:
    """The program in force, swapped at any time for one with another rate."""

    def __init__(self) -> None:
        self._current = built_in_program()
        self._next = msgspec.structs.replace(self._current, version="2", points_per_unit=Decimal(3))

    def current(self) -> RewardProgram:
        return self._current

    def swap(self) -> None:
        self._current, self._next = self._next, self._current

    def archive(self) -> MemoryProgramArchive:
        """Both, kept by their hash."""
        archive = MemoryProgramArchive()
        for program in (self._current, self._next):
            at_once(archive.keep(program))
        return archive


class Shared(msgspec.Struct, frozen=True, dict=True):
    """What outlives every process."""

    store: MemorySessions
    queue: MemoryDeliveryQueue
    cache: MemoryAnswerCache
    identifiers: MemoryIdentifierSource
    pdi: SimulatedPdi
    judge: Judge
    programs: Programs
    archive: MemoryProgramArchive
    authority: Authority
    session_ttl: timedelta
    build: Build


class WatchedFlights(Flights):
    """`Flights`, and a judge who is told what takes off and lands in each process."""

    _numbers = itertools.count(1)

    def __init__(self, inner: Flights, process: Process, judge: Judge) -> None:
        super().__init__()
        self._inner = inner
        self._process = process
        self._judge = judge
        self._numbers_of: dict[Hashable, int] = {}
        self.boarded: Callable[[int], None] = lambda _number: None

    async def board(
        self, key: Hashable, work: Callable[[], Awaitable[ResultT]], *, within: float
    ) -> tuple[ResultT, bool]:
        number = self._numbers_of.get(key) or next(self._numbers)
        self.boarded(number)

        async def fly() -> ResultT:
            FLIGHT.set(number)
            self._numbers_of[key] = number
            self._judge.takes_off(self._process, key, number)
            try:
                return await work()
            finally:
                self._judge.lands(self._process, key, number)
                self._numbers_of.pop(key, None)

        return await self._inner.board(key, fly, within=within)


class _Parts:
    """One process's use cases' common parts."""

    def __init__(self, process: Process, shared: Shared) -> None:
        store = shared.build.gated_store(process, shared.store, shared.judge)
        self.ports: Final = Ports(
            store=store,
            queue=GatedQueue(process, shared.queue, shared.store, shared.judge),
            host=GatedHost(process, shared.pdi, shared.judge),
            cache=GatedCache(process, shared.cache),
            clock=GatedClock(process),
            identifiers=GatedIdentifiers(process, shared.identifiers),
            observer=NullObserver(),
            programs=shared.programs,
            archive=GatedArchive(process, shared.archive),
        )
        self.pricing: Final = Pricing(shared.programs, self.ports.identifiers, shared.authority)
        self.sale_program: Final = SaleProgram(shared.programs, self.ports.archive)
        self.settlement: Final = shared.build.settlement(
            self.ports, self.pricing, BUDGETS, SettlementPolicy(park_after=PARKED_AFTER)
        )


class WebProcess:
    """Takes the calls of tills."""

    def __init__(self, process: Process, shared: Shared) -> None:
        self.process: Final = process
        parts = _Parts(process, shared)
        ports, pricing, settlement = parts.ports, parts.pricing, parts.settlement
        self.flights: Final = WatchedFlights(shared.build.flights(), process, shared.judge)
        asking: dict[str, Any] = {"flights": self.flights, "budgets": BUDGETS}
        self._identify = IdentifyCustomer(ports, **asking, session_ttl=shared.session_ttl)
        self._calculate = CalculateRewards(ports, **asking, pricing=pricing)
        self._finalize = shared.build.finalize(ports, **asking, pricing=pricing, settlement=settlement)
        self._return = ReturnPurchase(ports, **asking, programs=parts.sale_program, settlement=settlement)
        self._cancel = CancelSession(ports)
        self._status = GetSessionStatus(ports, pricing=pricing, settlement=settlement, budgets=BUDGETS)

    async def handle(self, command: Any) -> tuple[Answer, bytes | None]:
        """The answer of one call, and its bytes where they go on record."""
        match command:
            case Identify():
                return _with_bytes(await self._identify(command))
            case Finalize():
                return _with_bytes(await self._finalize(command))
            case ReturnGoods():
                return _with_bytes(await self._return(command))
            case Calculate():
                return await self._calculate(command), None
            case Cancel():
                return await self._cancel(command), None
            case GetStatus():
                return await self._status(command), None
        raise AssertionError(f"no such call: {command}")


async def work_for_ever(process: Process, shared: Shared) -> None:
    """What a worker process does until it dies."""
    parts = _Parts(process, shared)
    ports = parts.ports
    deliver = DeliverPending(
        ports,
        settlement=parts.settlement,
        programs=parts.sale_program,
        budgets=BUDGETS,
        pace=DeliveryPace(PacePolicy(largest_round=LARGEST_ROUND)),
    )
    while True:
        try:
            done = await deliver()
        except (StorageUnavailable, Overloaded) as away:
            await ports.clock.sleep(away.retry_after)
            continue
        if done.claimed:
            await ports.clock.sleep(done.pause)
        else:
            await ports.queue.wait(done.pause)


def _with_bytes(recorded: Recorded[Any]) -> tuple[Answer, bytes]:
    return recorded.answer, recorded.body
