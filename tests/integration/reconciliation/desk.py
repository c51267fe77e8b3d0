"""The core over a real database and a real PDI, with one job beside it: reconciliation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.programs import FixedProgram, MemoryProgramArchive
from loyalty_adapters.pdi import CircuitSettings, PdiClient, PdiSettings
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.delivery_queue import PostgresDeliveryQueue
from loyalty_adapters.postgres.findings import PostgresFindings
from loyalty_adapters.postgres.identifiers import PostgresIdentifierSource
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    ReturnId,
    SessionId,
    TransactionId,
    parse_session_id,
)
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.return_request import ReturnLine, ReturnRequest
from loyalty_core.domain.session import Session
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.reconciliation import FindingQuery
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.calculate_rewards import Calculate
from loyalty_core.use_cases.enquiries import EnquiryPolicy
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.identify_customer import Identify
from loyalty_core.use_cases.loyalty import Loyalty, Policy
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.integration.postgres.observing import eventually
from tests.pdi import Pdi

CALLER: Final = Caller(ClientId("acme"), ("POS-*",))
CHANNEL: Final = ChannelId("POS-1")
GOLD: Final = CustomerId("CUST-12345")
DAY: Final = timedelta(days=1)
LINES: Final = (BasketLine("COFFEE", Decimal(2), Decimal("25.00")), BasketLine("DIESEL", Decimal(10), Decimal("10.00")))
ENQUIRIES: Final = EnquiryPolicy(in_flight=4, patience=20)
Counts = dict[str, int]


class Desk(Loyalty):
    """All use cases, the job, and what it found."""

    def __init__(self, ports: Ports, connections: Connections, addresses: RowAddresses, policy: Policy) -> None:
        super().__init__(ports, policy)
        self.ports = ports
        self.store = ports.store
        self.work = PostgresReconciliation(connections, addresses)
        self.findings = PostgresFindings(connections)
        self.job = self.reconciling(self.work)

    async def sold(self, transaction: str, *, redeem: int = 0) -> Session:
        """A sale of `LINES`, 450 points, whose finalize was answered, whatever PDI did."""
        key: dict[str, Any] = {"caller": CALLER, "transaction": TransactionId(transaction)}
        opened = await self.identify(Identify(customer=GOLD, channel=CHANNEL, **key))
        session_id = parse_session_id(opened.answer.session_id)
        assert session_id is not None
        basket: dict[str, Any] = {"lines": LINES, "redeem_points": redeem}
        await self.calculate(Calculate(caller=CALLER, session_id=session_id, amount=Decimal("150.00"), **basket))
        await self.finalize(
            Finalize(session_id=session_id, final_amount=Decimal("150.00"), apply_rewards=True, **key, **basket)
        )
        return await self.session(session_id)

    async def returned(self, sale: Session, return_id: str = "R-1", line: int = 0) -> Session:
        """One line of the sale, given back."""
        request = ReturnRequest(lines=(ReturnLine(LINES[line].quantity, line=line),))
        await self.give_back(
            ReturnGoods(caller=CALLER, session_id=sale.id, return_id=ReturnId(return_id), request=request)
        )
        return await self.session(sale.id)

    async def session(self, session_id: SessionId) -> Session:
        found = await self.store.find(session_id)
        assert found is not None
        return found.session

    async def tomorrow(self) -> datetime:
        """A time for a run that takes up all that has happened so far: nothing can appear before that any more."""
        now = (await self.store.find_by_key(CHANNEL, TransactionId("T-never"))).now

        async def is_past() -> bool:
            return await self.work.horizon() > now

        await eventually(is_past)
        return now + DAY

    async def run(self, now: datetime, *, limit: int = 100) -> Counts:
        """One run of the job, to its end."""
        counts = Counts()
        while True:
            batch = await self.job(now, limit)
            counts = {name: counts.get(name, 0) + count for name, count in batch.counts.items()}
            if batch.done:
                return counts

    async def found(self) -> list[tuple[SessionId, DifferenceKind, str]]:
        """What is open, by session."""
        findings = await self.findings.find(FindingQuery(open_only=True))
        return sorted((it.session, it.difference.kind, it.difference.item) for it in findings)


class Notes(NullObserver):
    """Remembers which differences it was told of."""

    def __init__(self) -> None:
        self.differences: list[tuple[SessionId, DifferenceKind]] = []

    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        self.differences.append((session, kind))


@asynccontextmanager
async def open_desk(connections: Connections, pdi: Pdi, **policy: Any) -> AsyncIterator[Desk]:
    """A desk over a database and a PDI, as one process of its own would have it."""
    clock, addresses, program = SystemClock(), RowAddresses(), built_in_program()
    settings = PdiSettings(
        base_url=pdi.url,
        client_id=pdi.client_id,
        client_secret=pdi.client_secret,
        circuit=CircuitSettings(open_for=0.5, open_cap=0.5),
    )
    async with PdiClient(settings, clock) as host:
        ports = Ports(
            store=PostgresSessions(connections, addresses),
            queue=PostgresDeliveryQueue(connections, addresses),
            host=host,
            cache=MemoryAnswerCache(clock),
            clock=clock,
            identifiers=PostgresIdentifierSource(connections),
            observer=Notes(),
            programs=FixedProgram(program),
            archive=MemoryProgramArchive(),
        )
        budgets = Budgets(identify=2.0, calculate=2.0, finalize=2.0, give_back=2.0, status=1.0)
        yield Desk(ports, connections, addresses, Policy(budgets=budgets, **{"enquiries": ENQUIRIES, **policy}))
