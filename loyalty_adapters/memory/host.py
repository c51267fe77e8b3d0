"""A loyalty host in memory: its own ledger, and failures on demand."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, TransactionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    FinalizeOrder,
    HostCommit,
    HostError,
    HostIdentification,
    HostNotSent,
    HostRejection,
    HostSessionReport,
    HostSessionUnknown,
    HostSilence,
    ReturnOrder,
)

ResultT = TypeVar("ResultT")


class HostCall(StrEnum):
    """The calls whose course can be planned."""

    IDENTIFY = "identify"
    CALCULATE = "calculate"
    FINALIZE = "finalize"
    RETURN = "return"
    REPORT = "report"


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How one call goes."""

    error: HostError | None = None
    """What the caller gets instead of the answer."""
    acts: bool = False
    """Whether the host does its work all the same: the commit whose answer is lost."""
    acts_after: float | None = None
    """Seconds after which it does its work, long after the caller has its error."""
    takes: float = 0.0
    """Seconds until the caller gets its answer, or `HostSilence` where its budget ends first."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One booking. Points are signed."""

    session: HostSessionId
    transaction: TransactionId
    customer: CustomerId
    commit: HostCommit
    at: datetime


class _HostSession(msgspec.Struct, frozen=True, kw_only=True):
    id: HostSessionId
    transaction: TransactionId
    customer: CustomerId


class MemoryHost:
    """The `LoyaltyHost` port in memory.

    It dedupes by idempotency key and by nothing else, so that a caller that changes its key books twice and is seen
    to. Calls go by the courses planned for them, first planned first; without one they succeed at once.
    """

    def __init__(self, clock: Clock, members: Iterable[Member] = (), program: RewardProgram | None = None) -> None:
        self.ledger: list[LedgerEntry] = []
        self.calls: list[HostCall] = []
        """Every call that reached the host, in order."""
        self.closed_for = 0.0
        """What `unavailable_for` answers; above zero every call is `HostNotSent`."""
        self._clock = clock
        self._program = program or built_in_program()
        self._members = {member.customer_id: member for member in members}
        self._sessions: dict[HostSessionId, _HostSession] = {}
        self._identified: dict[tuple[ChannelId, TransactionId, CustomerId], HostSessionId] = {}
        self._receipts: dict[str, HostReceipt] = {}
        self._returned: dict[str, ReturnFigures] = {}
        self._courses: dict[HostCall, deque[Course]] = {call: deque() for call in HostCall}
        self._numbers = itertools.count(1)
        self._late: set[asyncio.Task[None]] = set()

    # -- arranging

    def plan(self, call: HostCall, *courses: Course) -> None:
        """How the next calls of this kind go, after those planned before."""
        self._courses[call].extend(courses)

    def enrol(self, member: Member) -> None:
        """Know a customer from now on, or know them differently."""
        self._members[member.customer_id] = member

    def lose_sessions(self) -> None:
        """Forget every session, as a host does that expires them; what is booked stays booked."""
        self._sessions.clear()
        self._identified.clear()

    # -- the port

    def unavailable_for(self) -> float:
        """See `LoyaltyHost.unavailable_for`."""
        return self.closed_for

    async def identify(
        self, channel: ChannelId, transaction: TransactionId, customer: CustomerId, *, within: float
    ) -> HostIdentification:
        """See `LoyaltyHost.identify`. Unknown customers are rejected as ``invalid_customer``."""
        return await self._go(HostCall.IDENTIFY, within, lambda: self._identify(channel, transaction, customer))

    async def calculate(self, session: HostSessionId, basket: Basket, *, within: float) -> HostQuote:
        """See `LoyaltyHost.calculate`. Figures are those of the host's own program."""
        return await self._go(HostCall.CALCULATE, within, lambda: self._quote(session, basket))

    async def finalize(self, order: FinalizeOrder, *, within: float) -> HostReceipt:
        """See `LoyaltyHost.finalize`. Books the points that the order says."""
        return await self._go(HostCall.FINALIZE, within, lambda: self._book(order))

    async def send_return(self, order: ReturnOrder, *, within: float) -> ReturnFigures:
        """See `LoyaltyHost.send_return`. Books the points that the order says."""
        return await self._go(HostCall.RETURN, within, lambda: self._book_return(order))

    async def report(self, session: HostSessionId, *, within: float) -> HostSessionReport:
        """See `LoyaltyHost.report`."""
        return await self._go(HostCall.REPORT, within, lambda: self._report(session))

    # -- what the host does

    async def _go(self, call: HostCall, within: float, work: Callable[[], ResultT]) -> ResultT:
        if self.closed_for > 0 or within <= 0:
            raise HostNotSent("circuit_open", retry_after=max(self.closed_for, 1.0))
        self.calls.append(call)
        planned = self._courses[call]
        course = planned.popleft() if planned else Course()
        result: ResultT | None = None
        if course.acts or course.error is None:
            result = work()
        if course.acts_after is not None:
            self._do_late(course.acts_after, work)
        await self._clock.sleep(min(course.takes, within))
        if course.error is not None:
            raise course.error
        if course.takes > within or result is None:
            raise HostSilence("timeout")
        return result

    def _do_late(self, seconds: float, work: Callable[[], object]) -> None:
        async def act() -> None:
            await self._clock.sleep(seconds)
            with suppress(HostError):  # nobody is left to be told
                work()

        task = asyncio.create_task(act())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _identify(self, channel: ChannelId, transaction: TransactionId, customer: CustomerId) -> HostIdentification:
        member = self._members.get(customer)
        if member is None:
            raise HostRejection("invalid_customer", "no such customer")
        opened = self._identified.get((channel, transaction, customer))
        if opened is None:
            opened = HostSessionId(f"host-{next(self._numbers)}")
            self._identified[channel, transaction, customer] = opened
            self._sessions[opened] = _HostSession(id=opened, transaction=transaction, customer=customer)
        return HostIdentification(session=opened, member=member)

    def _quote(self, session: HostSessionId, basket: Basket) -> HostQuote:
        member = self._member_of(session)
        self._check_points(member, basket.redeem_points)
        quote = calculate(self._program, basket, member, self._clock.now())
        return HostQuote(
            earned_points=quote.earned_points,
            bonus_points=quote.bonus_points,
            base_points=quote.base_points,
            tier_bonus=quote.tier_bonus,
            multiplier=quote.multiplier,
            redemption_confirmed=basket.redeem_points > 0,
        )

    def _book(self, order: FinalizeOrder) -> HostReceipt:
        known = self._receipts.get(order.key)
        if known is not None:
            return known
        member = self._member_of(order.host_session)
        redeemed = order.basket.redeem_points
        self._check_points(member, redeemed)
        self._enter(order.host_session, order.key, CommitKind.ACCRUAL, order.earned_points)
        if redeemed:
            self._enter(order.host_session, order.key, CommitKind.REDEMPTION, -redeemed)
        balance = (member.points or 0) + order.earned_points - redeemed
        self.enrol(msgspec.structs.replace(member, points=balance))
        receipt = HostReceipt(earned_points=order.earned_points, new_balance=balance)
        self._receipts[order.key] = receipt
        return receipt

    def _book_return(self, order: ReturnOrder) -> ReturnFigures:
        known = self._returned.get(order.key)
        if known is not None:
            return known
        member = self._member_of(order.host_session)
        self._enter(order.host_session, order.key, CommitKind.REVERSAL, -order.points_reversed)
        if order.points_restored:
            self._enter(order.host_session, order.key, CommitKind.RESTORATION, order.points_restored)
        balance = (member.points or 0) - order.points_reversed + order.points_restored
        self.enrol(msgspec.structs.replace(member, points=balance))
        booked = ReturnFigures(order.points_reversed, order.points_restored)
        self._returned[order.key] = booked
        return booked

    def _enter(self, handle: HostSessionId, key: str, kind: CommitKind, points: int) -> None:
        session = self._sessions[handle]
        self.ledger.append(
            LedgerEntry(
                session=session.id,
                transaction=session.transaction,
                customer=session.customer,
                commit=HostCommit(key=key, kind=kind, points=points),
                at=self._clock.now(),
            )
        )

    def _report(self, session: HostSessionId) -> HostSessionReport:
        self._member_of(session)
        commits = tuple(entry.commit for entry in self.ledger if entry.session == session)
        return HostSessionReport(
            status="finalized" if commits else "open",
            earned_points=sum(commit.points for commit in commits if commit.kind is CommitKind.ACCRUAL),
            commits=commits,
        )

    def _member_of(self, session: HostSessionId) -> Member:
        known = self._sessions.get(session)
        if known is None:
            raise HostSessionUnknown("session_unknown")
        return self._members[known.customer]

    @staticmethod
    def _check_points(member: Member, wanted: int) -> None:
        if wanted > (member.points or 0):
            raise HostRejection("insufficient_points", "the balance does not cover it")
