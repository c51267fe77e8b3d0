"""A service over the memory adapters whose host's books can be falsified, and the job that compares them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.host import LedgerEntry, MemoryHost
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import FixedProgram, MemoryProgramArchive
from loyalty_adapters.memory.reconciliation import MemoryReconciliation
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.host_books import HostCommit
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.session import Session
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.reconciliation import Finding, FindingQuery
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.loyalty import Loyalty, Policy
from tests.unit.use_cases.shop import ADA, BrittleSessions, HastyClock, calculate, finalize, identify, session_of

DAY: Final = timedelta(days=1)
Counts = dict[str, int]


class Heard(NullObserver):
    """Remembers what it was told of differences."""

    def __init__(self) -> None:
        self.differences: list[tuple[SessionId, DifferenceKind]] = []

    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        self.differences.append((session, kind))


class Audit(Loyalty):
    """All use cases, and reconciliation. The clock stands at the beginning of a day, and moves when somebody sleeps."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = HastyClock()
        self.store = BrittleSessions(self.clock)
        self.host = MemoryHost(self.clock, [ADA])
        self.heard = Heard()
        self.work = MemoryReconciliation(self.store)
        super().__init__(
            Ports(
                store=self.store,
                queue=MemoryDeliveryQueue(self.store),
                host=self.host,
                cache=MemoryAnswerCache(self.clock),
                clock=self.clock,
                identifiers=MemoryIdentifierSource(self.clock),
                observer=self.heard,
                programs=FixedProgram(built_in_program()),
                archive=MemoryProgramArchive(),
            ),
            policy,
        )
        self.job = self.reconciling(self.work)

    async def sold(self, transaction: str, amount: str = "150.00", *, redeem: int = 0) -> SessionId:
        """A sale whose finalize was answered, whatever the host did."""
        session_id = session_of(await self.identify(identify(transaction)))
        await self.calculate(calculate(session_id, amount, redeem_points=redeem))
        fields: dict[str, Any] = {"transaction": transaction, "redeem_points": redeem}
        await self.finalize(finalize(session_id, amount, **fields))
        return session_id

    async def session(self, session_id: SessionId) -> Session:
        found = await self.store.find(session_id)
        assert found is not None
        return found.session

    def days(self, number: float) -> None:
        self.clock.advance(number * DAY.total_seconds())

    async def run(self, now: datetime | None = None, *, limit: int = 100) -> Counts:
        """One run of the job, to its end; what its batches came to."""
        now, counts = now or self.clock.now(), Counts()
        while True:
            batch = await self.job(now, limit)
            counts = {name: counts.get(name, 0) + count for name, count in batch.counts.items()}
            if batch.done:
                return counts

    async def findings(self, **query: Any) -> list[Finding]:
        return list(await self.work.find(FindingQuery(**query)))

    async def found(self) -> list[tuple[SessionId, DifferenceKind]]:
        """What is open."""
        return [(it.session, it.difference.kind) for it in await self.findings(open_only=True)]

    # -- falsifying the host's books

    def of(self, transaction: str) -> list[LedgerEntry]:
        return [entry for entry in self.host.ledger if entry.transaction == transaction]

    def lose(self, transaction: str) -> list[LedgerEntry]:
        """The entries, to be put back some day."""
        lost = self.of(transaction)
        self.host.ledger = [entry for entry in self.host.ledger if entry not in lost]
        return lost

    def double(self, transaction: str) -> None:
        self.host.ledger += self.of(transaction)

    def change(self, transaction: str, change: Callable[[HostCommit], HostCommit]) -> None:
        self.host.ledger = [
            msgspec.structs.replace(entry, commit=change(entry.commit)) if entry.transaction == transaction else entry
            for entry in self.host.ledger
        ]


def points(number: int) -> Callable[[HostCommit], HostCommit]:
    """Other points, whatever they were."""
    return lambda commit: msgspec.structs.replace(commit, points=number)
