"""Returns in any order, by lines, by amount or whole, over the use case, whatever the host does: law 10, end to end."""

import asyncio
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import hypothesis.strategies as st
import msgspec
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import (
    LoyaltyError,
    OverReturn,
    RejectedByHost,
    SettlementFailed,
    TransactionMismatch,
)
from loyalty_core.domain.identifiers import HostSessionId, SessionId
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.return_request import ReturnLine, ReturnRequest
from loyalty_core.domain.session import SETTLED, Session, SessionStatus
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    HostNotSent,
    HostRejection,
    HostSessionReport,
    HostSessionUnknown,
    HostSilence,
)
from tests.properties.effort import effort
from tests.unit.use_cases.counter import LINES, finalizing, give_back
from tests.unit.use_cases.shop import Shop

COURSES: Final = {
    "books": Course(),
    "is silent": Course(error=HostSilence("timeout")),
    "books in silence": Course(error=HostSilence("timeout"), acts=True),
    "is not reached": Course(error=HostNotSent("away")),
    "says no": Course(error=HostRejection("return_refused")),
    "has lost the session": Course(error=HostSessionUnknown("session_unknown")),
}
REQUESTS: Final = st.one_of(
    st.just(ReturnRequest()),
    st.integers(1, 15_100).map(lambda cents: ReturnRequest(amount=Decimal(cents).scaleb(-2))),
    st.lists(
        st.tuples(st.sampled_from(range(len(LINES))), st.integers(1, 30_000)), min_size=1, max_size=3
    ).map(lambda entries: ReturnRequest(tuple(ReturnLine(Decimal(n).scaleb(-4), line) for line, n in entries))),
)  # fmt: skip


class ReturnsOfOneSale(RuleBasedStateMachine):
    """One sale of 150.00, some of it perhaps paid with points, and what customers bring back of it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.shop = Shop()
        self.session_id: SessionId
        self.behind = False
        whole = self.shop.host._report

        def report(session: HostSessionId) -> HostSessionReport:
            told = whole(session)
            return msgspec.structs.replace(told, commits=()) if self.behind else told

        self.shop.host._report = report  # type: ignore[method-assign]  # a host whose report can be behind its books
        self.asked: dict[str, ReturnRequest] = {}
        self.final: dict[str, bytes] = {}

    @initialize(redeem=st.sampled_from([0, 0, 100, 700]), booked=st.booleans())
    def sell(self, redeem: int, booked: bool) -> None:
        if not booked:
            self.shop.host.plan(HostCall.FINALIZE, COURSES["is silent"])
        self.session_id = self.run(finalizing(self.shop, redeem=redeem))

    @rule(request=REQUESTS, course=st.sampled_from(sorted(COURSES)))
    def bring_back(self, request: ReturnRequest, course: str) -> None:
        """A return under a new id. What is on record afterwards is what the till was told."""
        name = f"R-{len(self.asked) + 1}"
        self.asked[name] = request
        self.shop.host.plan(HostCall.RETURN, COURSES[course])
        told = self.call(name)
        on_record = {goods.id for goods in self.session.returns}
        if isinstance(told, LoyaltyError):
            assert isinstance(told, (OverReturn, RejectedByHost))
            assert name not in on_record
            del self.asked[name]
        else:
            assert name in on_record

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), forget=st.sampled_from(["nothing", "cache", "answers", "both"]))
    def ask_again(self, data: st.DataObject, forget: str) -> None:
        """The same call again: the same bytes once it is settled, whoever still remembers them."""
        if forget in {"cache", "both"}:
            self.shop.cache.clear()
        if forget in {"answers", "both"}:
            self.shop.store.clear_answers()
        name = data.draw(st.sampled_from(sorted(self.asked)))
        told = self.call(name)
        if isinstance(told, LoyaltyError):
            assert isinstance(told, SettlementFailed)
        else:
            assert told.replayed

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def ask_for_something_else(self, data: st.DataObject) -> None:
        """Another payload under an id that is taken is refused."""
        name = data.draw(st.sampled_from(sorted(self.asked)))
        other = ReturnRequest(amount=Decimal("0.01"))
        if self.asked[name] != other:
            told = self.call(name, other)
            assert isinstance(told, (TransactionMismatch, SettlementFailed))

    @rule(course=st.sampled_from(sorted(COURSES)), seconds=st.sampled_from([1, 60, 60]), behind=st.booleans())
    def deliver(self, course: str, seconds: int, behind: bool) -> None:
        """A worker comes by; the host's report may be behind its books."""
        self.shop.clock.advance(seconds)
        self.shop.host.plan(HostCall.RETURN, COURSES[course])
        self.behind = behind
        self.run(self.shop.deliver())
        self.behind = False

    @invariant()
    def no_more_than_was_booked(self) -> None:
        """Neither in the host's books nor in ours, at any moment; and nothing twice under one key."""
        if not hasattr(self, "session_id"):
            return
        booked, session = self.booked, self.session
        assert booked[CommitKind.REVERSAL] <= booked[CommitKind.ACCRUAL]
        assert booked[CommitKind.RESTORATION] <= booked[CommitKind.REDEMPTION]
        assert session.points_reversed <= booked[CommitKind.REVERSAL]
        entries = Counter((entry.commit.key, entry.commit.kind) for entry in self.shop.host.ledger)
        assert set(entries.values()) <= {1}

    @invariant()
    def no_more_than_was_sold(self) -> None:
        """What stands of all returns takes no line more than once."""
        if not hasattr(self, "session_id"):
            return
        standing = [goods.share.exact() for goods in self.session.returns if goods.stands]
        for line in zip(*standing, strict=True):
            assert 0 <= sum(line, Fraction(0)) <= 1

    def teardown(self) -> None:
        try:
            if hasattr(self, "session_id"):
                self.bring_back_everything()
        finally:
            self.runner.close()

    def bring_back_everything(self) -> None:
        """Once the host is well again all settles, and a complete return has moved exactly what was booked."""
        for courses in self.shop.host._courses.values():
            courses.clear()
        self.run(self.shop.until_settled())
        session = self.session
        assert session.status in SETTLED
        assert not any(goods.is_owed for goods in session.returns)
        if session.status is not SessionStatus.RETURNED:
            told = self.run(self.shop.give_back(give_back(self.session_id, "R-rest")))
            assert ReturnStatus.RETURNED is told.answer.status
        booked, session = self.booked, self.session
        assert (booked[CommitKind.ACCRUAL], booked[CommitKind.REDEMPTION]) == (
            booked[CommitKind.REVERSAL],
            booked[CommitKind.RESTORATION],
        )
        assert (SessionStatus.RETURNED, booked[CommitKind.REVERSAL], booked[CommitKind.RESTORATION]) == (
            session.status,
            session.points_reversed,
            session.points_restored,
        )

    # -- inside

    def call(self, name: str, request: ReturnRequest | None = None) -> Any:
        """What the till is told, error or answer; a final answer never changes."""
        command = give_back(self.session_id, name, request or self.asked[name])

        async def ask() -> Any:
            try:
                return await self.shop.give_back(command)
            except LoyaltyError as refused:
                return refused

        told = self.run(ask())
        if not isinstance(told, LoyaltyError) and told.answer.status is ReturnStatus.RETURNED:
            assert told.body == self.final.setdefault(name, told.body)
        return told

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @property
    def session(self) -> Session:
        found: Session = self.run(self.shop.session(self.session_id))
        return found

    @property
    def booked(self) -> Counter[CommitKind]:
        """Points by what was done with them, in the host's books."""
        points: Counter[CommitKind] = Counter()
        for entry in self.shop.host.ledger:
            points[entry.commit.kind] += abs(entry.commit.points)
        return points


TestReturnsOfOneSale = ReturnsOfOneSale.TestCase
TestReturnsOfOneSale.settings = effort(2)
