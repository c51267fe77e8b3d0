"""The ports as one process has them: every call may be slow, fail, half succeed, or be the last thing it does."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.programs import MemoryProgramArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.basket import Basket
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ConcurrentUpdate, LoyaltyError, OutcomeUnknown, Overloaded, StorageUnavailable
from loyalty_core.domain.identifiers import (
    ChannelId,
    CustomerId,
    HostSessionId,
    QuoteId,
    SessionId,
    TransactionId,
)
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.delivery_queue import QueueDepth
from loyalty_core.ports.loyalty_host import (
    FinalizeOrder,
    HostError,
    HostIdentification,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionReport,
    HostSilence,
    ReturnOrder,
)
from loyalty_core.ports.session_store import KeyProbe, Loaded
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, Lane, UnitOfWork
from tests.simulation.faults import Fault
from tests.simulation.judge import Judge
from tests.simulation.pdi import SimulatedPdi
from tests.simulation.process import FLIGHT, Process, at_once
from tests.simulation.virtual_loop import VirtualLoop

ResultT = TypeVar("ResultT")

EPOCH: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_NAPS: Final = (0.3, 1.0, 2.5, 6.0, 13.0)
_BEFORE: Final[dict[Fault, type[LoyaltyError]]] = {
    Fault.STORE_AWAY: StorageUnavailable,
    Fault.STORE_FULL: Overloaded,
}
_UNSENT: Final = (Fault.HOST_NOT_SENT, Fault.HOST_NOT_JUDGED, Fault.HOST_REFUSES_US)
_SILENT: Final = (Fault.HOST_SILENT, Fault.HOST_SILENT_DONE)


class WorldClock:
    """The clock of the world outside, which never stalls: the store's."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GatedClock(WorldClock):
    """A process's clock; its sleepers oversleep while it stalls, and never wake once it is dead."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.loop)
        self._process = process

    async def sleep(self, seconds: float) -> None:
        await self._process.sleep(seconds)


class GatedIdentifiers:
    """Identifiers of the one sequence that all processes share."""

    def __init__(self, process: Process, source: MemoryIdentifierSource) -> None:
        self._process = process
        self._source = source
        self.session_id: Callable[[], SessionId] = source.session_id
        self.quote_id: Callable[[], QuoteId] = source.quote_id
        self.jitter: Callable[[], float] = source.jitter

    async def receipt_number(self) -> int:
        return await self._process.exchange("receipt number", _unless_away(self._process, self._receipt_number))

    def _receipt_number(self) -> int:
        return at_once(self._source.receipt_number())


class GatedCache:
    """The cache, which never raises and is sometimes not there."""

    def __init__(self, process: Process, cache: MemoryAnswerCache) -> None:
        self._process = process
        self._cache = cache

    async def get(self, call: Call, session_id: SessionId, *, item: str = "") -> CachedAnswer | None:
        if self._process.weather.strikes(Fault.CACHE_AWAY):
            return None
        return await self._process.exchange("cache get", lambda: at_once(self._cache.get(call, session_id, item=item)))

    async def put(self, call: Call, session_id: SessionId, answer: CachedAnswer, *, item: str = "") -> None:
        if self._process.weather.strikes(Fault.CACHE_AWAY):
            return
        await self._process.exchange("cache put", lambda: at_once(self._cache.put(call, session_id, answer, item=item)))


class GatedArchive:
    """The programs kept by their hash, in the database."""

    def __init__(self, process: Process, archive: MemoryProgramArchive) -> None:
        self._process = process
        self._archive = archive

    async def keep(self, program: RewardProgram) -> None:
        await self._process.exchange(
            "keep program", _unless_away(self._process, lambda: at_once(self._archive.keep(program)))
        )

    async def find(self, content_hash: str) -> RewardProgram | None:
        return await self._process.exchange(
            "find program", _unless_away(self._process, lambda: at_once(self._archive.find(content_hash)))
        )


class GatedStore:
    """The database over a network."""

    def __init__(self, process: Process, store: MemorySessions, judge: Judge) -> None:
        self._process = process
        self._store = store
        self._judge = judge

    async def find(
        self, session_id: SessionId, *, lane: Lane = Lane.INTAKE, seen_by: Caller | None = None
    ) -> Loaded | None:
        return await self._ask("find", lambda: at_once(self._store.find(session_id, lane=lane, seen_by=seen_by)))

    async def find_by_key(self, channel: ChannelId, transaction: TransactionId) -> KeyProbe:
        return await self._ask("find by key", lambda: at_once(self._store.find_by_key(channel, transaction)))

    async def find_snapshot(self, customer: CustomerId) -> CustomerSnapshot | None:
        return await self._ask("find snapshot", lambda: at_once(self._store.find_snapshot(customer)))

    async def commit(self, work: UnitOfWork) -> None:
        process, flight = self._process, FLIGHT.get()
        causes = " + ".join(change.cause.value for change in work.changes)

        def write() -> None:
            at_once(self._store.commit(work))
            process.history.note(process.name, "commits %s: %s", causes, work.changes[-1].after.status.value)
            self._judge.committed(work, process, flight)

        fault = process.weather.strikes_with((Fault.COMMIT_LOST, Fault.COMMIT_UNHEARD, Fault.COMMIT_LATE))
        if fault is not None:
            await self._lose_answer(write, fault, causes)
        if process.weather.strikes(Fault.STORE_CONTENDED):
            await process.exchange("contended commit", _raiser(ConcurrentUpdate()))
        await self._ask(f"commit {causes}", write)

    async def _lose_answer(self, write: Callable[[], None], fault: Fault, causes: str) -> None:
        """The connection breaks around the commit. `OutcomeUnknown` in any case; the store knows what it did."""
        process = self._process
        process.history.note(process.name, "loses the answer to %s (%s)", causes, fault.value)
        if fault is Fault.COMMIT_LATE:
            process.loop.call_later(process.weather.lot.choice((0.1, 1.0, 3.0)), _quietly, write)

        def lost() -> None:
            if fault is Fault.COMMIT_UNHEARD:
                _quietly(write)
            raise OutcomeUnknown

        await process.exchange(f"commit {causes}", lost)

    async def _ask(self, what: str, effect: Callable[[], ResultT]) -> ResultT:
        process = self._process
        slow = process.weather.lot.choice(_NAPS) if process.weather.strikes(Fault.STORE_SLOW) else 0.0
        return await process.exchange(what, _unless_away(process, effect), slow=slow)


class GatedQueue:
    """The queue, over the same network."""

    def __init__(self, process: Process, queue: MemoryDeliveryQueue, store: MemorySessions, judge: Judge) -> None:
        self._process = process
        self._queue = queue
        self._store = store
        self._judge = judge

    async def claim_due(self, limit: int, lease: timedelta) -> tuple[Loaded, ...]:
        def claim() -> tuple[Loaded, ...]:
            claimed = at_once(self._queue.claim_due(limit, lease))
            for loaded in claimed:
                self._process.history.note(self._process.name, "claims %s", loaded.session.transaction)
                self._judge.claimed(loaded.session)
            return claimed

        return await self._process.exchange("claim", _unless_away(self._process, claim))

    async def depth(self) -> QueueDepth:
        return await self._process.exchange("depth", lambda: at_once(self._queue.depth()))

    async def wait(self, seconds: float) -> None:
        """Sleep for so long, or in fair weather until something is due: an idle worker then costs nothing."""
        if self._process.weather.is_fair:
            now = self._store.clock.now()
            owed = [first[1] for session in self._store.all() if (first := first_owed(session)) is not None]
            waits = [(each.next_attempt_at - now).total_seconds() for each in owed if each.next_attempt_at is not None]
            seconds = min(60.0, max(0.1, min(waits, default=60.0)))
        await self._process.sleep(seconds)


class GatedHost:
    """The way to the host: circuit, connection, deadlines, and everything that can be lost on it."""

    def __init__(self, process: Process, pdi: SimulatedPdi, judge: Judge) -> None:
        self._process = process
        self._pdi = pdi
        self._judge = judge
        self._closed_until = 0.0

    def unavailable_for(self) -> float:
        now = self._process.loop.time()
        if now >= self._closed_until and self._process.weather.strikes(Fault.HOST_CIRCUIT_OPEN):
            self._closed_until = now + self._process.weather.lot.choice((1.0, 10.0))
        return max(0.0, self._closed_until - now)

    async def identify(
        self, channel: ChannelId, transaction: TransactionId, customer: CustomerId, *, within: float
    ) -> HostIdentification:
        return await self._call(
            "pdi identify", lambda: self._pdi.identify(channel, transaction, customer), within, rejects=False
        )

    async def calculate(self, session: HostSessionId, basket: Basket, *, within: float) -> HostQuote:
        off_by = 7 if self._process.weather.strikes(Fault.HOST_DISAGREES) else 0
        self._maybe_forget(session)
        return await self._call("pdi calculate", lambda: self._pdi.calculate(session, basket, off_by=off_by), within)

    async def finalize(self, order: FinalizeOrder, *, within: float) -> HostReceipt:
        off_by = 3 if self._process.weather.strikes(Fault.HOST_DISAGREES) else 0
        return await self._book(order, lambda: self._pdi.finalize(order, off_by=off_by), within)

    async def send_return(self, order: ReturnOrder, *, within: float) -> ReturnFigures:
        off_by = 1 if self._process.weather.strikes(Fault.HOST_DISAGREES) else 0
        return await self._book(order, lambda: self._pdi.send_return(order, off_by=off_by), within)

    async def _book(self, order: FinalizeOrder | ReturnOrder, book: Callable[[], ResultT], within: float) -> ResultT:
        process, weather = self._process, self._process.weather
        if process.alive:
            self._judge.sends(order, process)
        if not self._maybe_forget(order.host_session) and weather.strikes(Fault.HOST_BLOCKS_CUSTOMER):
            customer = self._judge.customer_of(order.host_session)
            process.history.note("pdi", "blocks %s", customer)
            self._pdi.blocked.add(customer)
        if weather.strikes(Fault.STALL_AWAITING):
            process.stall()
        if weather.strikes(Fault.HOST_LATE):
            return await self._act_late(book, within)
        return await self._call("pdi book", book, within)

    async def report(self, session: HostSessionId, *, within: float) -> HostSessionReport:
        self._judge.asks(session)
        self._maybe_forget(session)
        return await self._call("pdi status", lambda: self._pdi.report(session), within, rejects=False)

    async def _call(self, what: str, effect: Callable[[], ResultT], within: float, *, rejects: bool = True) -> ResultT:
        process = self._process
        weather = process.weather
        if within <= 0:
            raise HostNotSent("no_time_left")
        if process.loop.time() < self._closed_until:
            raise HostNotSent("circuit_open", retry_after=self._closed_until - process.loop.time())
        turned_away = weather.strikes_with(_UNSENT)
        silent = weather.strikes_with(_SILENT)
        slow = weather.lot.choice((0.5, 2.0, 6.0, 12.0)) if weather.strikes(Fault.HOST_SLOW) else 0.0
        if turned_away is not None:
            effect = _raiser(_turned_away(turned_away))
        elif silent is not None:
            effect = _silenced(effect, done=silent is Fault.HOST_SILENT_DONE)
        elif rejects and weather.strikes(Fault.HOST_REJECTS):
            effect = _raiser(HostRejection("insufficient_points", "not now"))
        try:
            result = await process.exchange(what, effect, slow=slow, within=within)
        except TimeoutError:
            process.history.note(process.name, "%s: timeout", what)
            raise HostSilence("timeout") from None
        except HostError as error:
            process.history.note(process.name, "%s: %s %s", what, type(error).__name__, error.reason)
            raise
        process.history.note(process.name, "%s: ok", what)
        return result

    async def _act_late(self, book: Callable[[], ResultT], within: float) -> ResultT:
        """The host goes silent, and does its work long after the caller has given up."""
        process = self._process
        late = process.weather.lot.choice((0.5, 5.0, 20.0, 60.0))
        process.history.note(process.name, "pdi will book in %s s", late)

        def arrive() -> ResultT:
            process.loop.call_later(late, _quietly, book)
            raise HostSilence("reset")

        return await self._call("pdi book", arrive, within)

    def _maybe_forget(self, session: HostSessionId) -> bool:
        if not self._process.weather.strikes(Fault.HOST_FORGETS):
            return False
        self._process.history.note("pdi", "forgets %s", session)
        self._pdi.forget(session)
        return True


def _turned_away(fault: Fault) -> HostError:
    if fault is Fault.HOST_NOT_SENT:
        return HostNotSent("connection_refused")
    if fault is Fault.HOST_NOT_JUDGED:
        return HostNotJudged("too_many_requests", retry_after=2.0)
    return HostRefusesUs("unauthorized", retry_after=5.0)


def _unless_away(process: Process, effect: Callable[[], ResultT]) -> Callable[[], ResultT]:
    fault = process.weather.strikes_with((Fault.STORE_AWAY, Fault.STORE_FULL))
    return effect if fault is None else _raiser(_BEFORE[fault]())  # type: ignore[call-arg]  # both take nothing


def _raiser(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def _silenced(effect: Callable[[], ResultT], *, done: bool) -> Callable[[], ResultT]:
    def act() -> ResultT:
        if done:
            _quietly(effect)
        raise HostSilence("reset")

    return act


def _quietly(effect: Callable[[], object]) -> None:
    """Do it with nobody left to be told how it went; a refusal is one way for it to go."""
    try:
        effect()
    except (LoyaltyError, HostError):
        return
