"""A service of one process over the memory adapters, with a store and a host that fail on demand."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.host import MemoryHost
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import MemoryProgramArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.identifiers import ChannelId, ClientId, CustomerId, SessionId, TransactionId, parse_session_id
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.session_store import KeyProbe, Loaded
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, Lane, SessionChange, UnitOfWork
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.answers import IdentifyAnswer, Recorded
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.calculate_rewards import Calculate, CalculateRewards
from loyalty_core.use_cases.cancel_session import Cancel, CancelSession
from loyalty_core.use_cases.deliver_pending import DeliverPending
from loyalty_core.use_cases.delivery_pace import DeliveryPace, PacePolicy
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.get_session_status import GetSessionStatus, GetStatus
from loyalty_core.use_cases.identify_customer import Identify, IdentifyCustomer
from loyalty_core.use_cases.operate_delivery import OperateDelivery
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority, Pricing
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_purchase import ReturnPurchase
from loyalty_core.use_cases.settlement import Settlement

CALLER: Final = Caller(ClientId("acme"), ("POS-*",))
CHANNEL: Final = ChannelId("POS-1")
ADA: Final = Member(CustomerId("ADA"), "Gold", "Ada Lovelace", 1200)
TTL: Final = timedelta(hours=24)
BUDGETS: Final = Budgets()

ResultT = TypeVar("ResultT")
Meddling = Callable[[], Awaitable[object]]


class HastyClock(ManualClock):
    """Whoever sleeps moves the clock on; nobody waits."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


class _Plan(NamedTuple):
    first: Meddling | None
    error: Exception | None
    written: bool
    takes: float


class BrittleSessions(MemorySessions):
    """`MemorySessions` that does as it is told once, at the next operation of a name or the next commit of a cause."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._plans: dict[str, list[_Plan]] = {}

    def plan(
        self,
        operation: str,
        error: Exception | None = None,
        *,
        written: bool = False,
        first: Meddling | None = None,
        takes: float = 0.0,
    ) -> None:
        """What happens at the next `operation`: ``find``, ``find_by_key``, ``find_snapshot`` or a commit's cause.

        `first` is done before it, by somebody else; then `error` is raised, after writing all the same if `written`.
        The answer takes `takes` seconds on its way back.
        """
        self._plans.setdefault(operation, []).append(_Plan(first, error, written, takes))

    @property
    def is_through(self) -> bool:
        """Whether everything planned has happened."""
        return not any(self._plans.values())

    async def find(
        self, session_id: SessionId, *, lane: Lane = Lane.INTAKE, seen_by: Caller | None = None
    ) -> Loaded | None:
        return await self._do("find", lambda: super(BrittleSessions, self).find(session_id, lane=lane, seen_by=seen_by))

    async def find_by_key(self, channel: ChannelId, transaction: TransactionId) -> KeyProbe:
        return await self._do("find_by_key", lambda: super(BrittleSessions, self).find_by_key(channel, transaction))

    async def find_snapshot(self, customer: CustomerId) -> CustomerSnapshot | None:
        return await self._do("find_snapshot", lambda: super(BrittleSessions, self).find_snapshot(customer))

    async def commit(self, work: UnitOfWork) -> None:
        await self._do(work.changes[-1].cause.value, lambda: super(BrittleSessions, self).commit(work))

    async def _do(self, operation: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        plans = self._plans.get(operation)
        if not plans:
            return await work()
        plan = plans.pop(0)
        if plan.first is not None:
            await plan.first()
        if plan.error is not None:
            if plan.written:
                await work()
            raise plan.error
        result = await work()
        await self.clock.sleep(plan.takes)
        return result


class Programs:
    """The program in force."""

    def __init__(self) -> None:
        self.program = built_in_program()

    def current(self) -> RewardProgram:
        return self.program


class Notes(NullObserver):
    """Remembers what an observer is told."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self.replays: list[Call] = []
        self.disagreements: list[int | None] = []
        self.booked: list[Session] = []
        self.unrecorded = 0

    def changed(self, change: SessionChange) -> None:
        self.causes.append(change.cause)

    def replayed(self, call: Call, session: Session) -> None:  # noqa: ARG002 - the port's shape
        self.replays.append(call)

    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:  # noqa: ARG002 - the port's shape
        self.disagreements.append(quote.disagreement)

    def booked_otherwise(self, session: Session) -> None:
        self.booked.append(session)

    def outcome_not_recorded(self, session: Session) -> None:  # noqa: ARG002 - the port's shape
        self.unrecorded += 1


class Shop:
    """Everything wired; a test arranges the clock, the store and the host, and calls."""

    def __init__(
        self,
        *,
        authority: Authority = Authority.HOST,
        policy: SettlementPolicy | None = None,
        shared: "Shop | None" = None,
        largest_round: int = 64,
    ) -> None:
        """`shared`: another process over the same store, host and clock."""
        self.clock: HastyClock = shared.clock if shared else HastyClock()
        self.store: BrittleSessions = shared.store if shared else BrittleSessions(self.clock)
        self.host: MemoryHost = shared.host if shared else MemoryHost(self.clock, [ADA])
        self.cache: MemoryAnswerCache = shared.cache if shared else MemoryAnswerCache(self.clock)
        self.identifiers: MemoryIdentifierSource = shared.identifiers if shared else MemoryIdentifierSource(self.clock)
        self.programs: Programs = shared.programs if shared else Programs()
        self.archive: MemoryProgramArchive = shared.archive if shared else MemoryProgramArchive()
        self.notes = Notes()
        self.flights = Flights()
        self.pace = DeliveryPace(PacePolicy(largest_round=largest_round))
        self.pricing = Pricing(self.programs, self.identifiers, authority)
        self.queue = MemoryDeliveryQueue(self.store)
        ports = Ports(
            store=self.store,
            queue=self.queue,
            host=self.host,
            cache=self.cache,
            clock=self.clock,
            identifiers=self.identifiers,
            observer=self.notes,
            programs=self.programs,
            archive=self.archive,
        )
        self.settlement = Settlement(ports, self.pricing, BUDGETS, policy or SettlementPolicy())
        sale_program = SaleProgram(self.programs, self.archive)
        asking: dict[str, Any] = {"flights": self.flights, "budgets": BUDGETS}
        settling: dict[str, Any] = {"settlement": self.settlement, "budgets": BUDGETS}
        self.identify = IdentifyCustomer(ports, **asking, session_ttl=TTL)
        self.calculate = CalculateRewards(ports, **asking, pricing=self.pricing)
        self.finalize = FinalizeSession(ports, **settling, flights=self.flights, pricing=self.pricing)
        self.give_back = ReturnPurchase(ports, **settling, flights=self.flights, programs=sale_program)
        self.cancel = CancelSession(ports)
        self.operate = OperateDelivery(ports)
        self.status = GetSessionStatus(ports, **settling, pricing=self.pricing)
        self.deliver = DeliverPending(ports, **settling, programs=sale_program, pace=self.pace)

    # -- shorthands

    async def opened(self, transaction: str = "TX-1", **changes: Any) -> SessionId:
        """A session just identified."""
        return session_of(await self.identify(identify(transaction, **changes)))

    async def quoted(self, amount: str = "150.00", *, redeem: int = 0) -> SessionId:
        """A session just quoted."""
        session_id = await self.opened()
        await self.calculate(calculate(session_id, amount, redeem_points=redeem))
        return session_id

    async def session(self, session_id: SessionId) -> Session:
        """As stored."""
        found = await MemorySessions.find(self.store, session_id)
        assert found is not None
        return found.session

    async def until_settled(self) -> None:
        """Let the workers deliver until nothing is owed, or only what is parked."""
        for _ in range(500):
            if not (await self.deliver()).claimed:
                depth = await self.queue.depth()
                if not depth.waiting:
                    return
            self.clock.advance(1)
        raise AssertionError("the queue does not drain")

    def booked(self) -> list[tuple[str, int]]:
        """Key and points of every booking in the host's ledger."""
        return [(entry.commit.key.partition(":")[2], entry.commit.points) for entry in self.host.ledger]


def identify(transaction: str = "TX-1", *, customer: str = "ADA", **changes: Any) -> Identify:
    command = Identify(
        caller=CALLER, customer=CustomerId(customer), channel=CHANNEL, transaction=TransactionId(transaction)
    )
    return msgspec.structs.replace(command, **changes)


def calculate(session_id: SessionId, amount: str = "150.00", **changes: Any) -> Calculate:
    return Calculate(caller=CALLER, session_id=session_id, amount=Decimal(amount), **changes)


def finalize(session_id: SessionId, amount: str = "150.00", **changes: Any) -> Finalize:
    fields: dict[str, Any] = {"transaction": TransactionId("TX-1"), "apply_rewards": True, **changes}
    return Finalize(caller=CALLER, session_id=session_id, final_amount=Decimal(amount), **fields)


def cancel(session_id: SessionId, **changes: Any) -> Cancel:
    return Cancel(caller=CALLER, session_id=session_id, **changes)


def status(session_id: SessionId) -> GetStatus:
    return GetStatus(caller=CALLER, session_id=session_id)


def session_of(recorded: Recorded[IdentifyAnswer]) -> SessionId:
    session_id = parse_session_id(recorded.answer.session_id)
    assert session_id is not None
    return session_id
