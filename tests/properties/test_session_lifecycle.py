"""The life of a session over the use cases, beside a model that knows nothing but the published rules."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.identifiers import QuoteId, SessionId
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import HostError, HostNotSent, HostRefusesUs, HostRejection, HostSilence
from loyalty_core.use_cases.answers import FinalizeAnswer, QuoteAnswer
from tests.unit.use_cases.shop import TTL, Shop, calculate, cancel, finalize, identify, session_of, status

ResultT = TypeVar("ResultT")

_AMOUNTS = st.sampled_from(["12.50", "20.00", "150.00"])


class Word(Enum):
    """How the host answers the next finalize."""

    YES = None
    NO = "no"
    BUSY = "not sent"
    LOST = "silent, nothing done"
    DONE = "silent, all done"
    REFUSES = "refuses us"

    def course(self) -> Course | None:
        errors: dict[Word, HostError] = {
            Word.NO: HostRejection("insufficient_points"),
            Word.BUSY: HostNotSent("connection_refused"),
            Word.LOST: HostSilence("timeout"),
            Word.DONE: HostSilence("reset"),
            Word.REFUSES: HostRefusesUs("unauthorized"),
        }
        return None if self is Word.YES else Course(error=errors[self], acts=self is Word.DONE)


def _points(amount: str) -> int:
    """Two points a dollar and half as many again for a Gold customer, both rounded down."""
    base = int(Decimal(amount) * 2)
    return base + base // 2


class SessionLifecycle(RuleBasedStateMachine):
    """One transaction at one till, any calls in any order, and a host that answers as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.shop = Shop()
        self.session_id: SessionId | None = None
        self.opening = b""
        # The model.
        self.state = SessionStatus.ACTIVE
        self.quoted: tuple[str, QuoteId] | None = None
        self.sold: str | None = None
        self.in_doubt = False
        self.ledger = 0
        self.answers: dict[SessionStatus, bytes] = {}
        self.sessions = 0

    def teardown(self) -> None:
        self.runner.close()

    def run(self, call: Awaitable[ResultT]) -> ResultT | str:
        """The answer, or the code of the error."""

        async def wait() -> ResultT:
            return await call

        try:
            return self.runner.run(wait())
        except LoyaltyError as error:
            return error.code

    @property
    def id(self) -> SessionId:
        assert self.session_id is not None
        return self.session_id

    @property
    def is_open(self) -> bool:
        return self.state in {SessionStatus.ACTIVE, SessionStatus.CALCULATED}

    def refused(self, *, by_mismatch: bool = False) -> set[str]:
        """The codes that a call for an open session may get in this state."""
        if self.state is SessionStatus.FAILED:
            return {"settlement_failed"} if self.sold else {"session_expired"}
        if by_mismatch and self.state in {SessionStatus.FINALIZING, SessionStatus.FINALIZED}:
            return {"transaction_mismatch"}
        return {"illegal_transition"}

    # -- the calls

    @initialize()
    def opens(self) -> None:
        opened = self.runner.run(self.shop.identify(identify()))
        self.session_id, self.opening = session_of(opened), opened.body
        self.sessions = 1

    @rule()
    def identifies_again(self) -> None:
        """The same answer for as long as the key is held; a new session once it was given back."""
        again = self.run(self.shop.identify(identify()))
        assert not isinstance(again, str)
        given_back = self.state is SessionStatus.CANCELLED or (self.state is SessionStatus.FAILED and not self.sold)
        if not given_back:
            assert self.opening == again.body
            return
        assert self.id != session_of(again)
        self.session_id, self.opening = session_of(again), again.body
        self.state, self.quoted, self.sold, self.answers = SessionStatus.ACTIVE, None, None, {}
        self.sessions += 1

    @rule()
    def identifies_with_another_payload(self) -> None:
        """Refused for as long as the key is held."""
        if self.state is SessionStatus.CANCELLED or (self.state is SessionStatus.FAILED and not self.sold):
            return
        assert "transaction_mismatch" == self.run(self.shop.identify(identify(metadata={"other": True})))

    @rule(amount=_AMOUNTS)
    def quotes(self, amount: str) -> None:
        quote = self.run(self.shop.calculate(calculate(self.id, amount)))
        if not self.is_open:
            assert quote in self.refused()
            return
        assert isinstance(quote, QuoteAnswer)
        assert _points(amount) == quote.earned_points
        if self.quoted is not None and self.quoted[0] == amount:
            assert self.quoted[1] == quote.quote_id
        self.quoted, self.state = (amount, QuoteId(quote.quote_id)), SessionStatus.CALCULATED

    @rule()
    def empties_the_basket(self) -> None:
        quote = self.run(self.shop.calculate(calculate(self.id, "0")))
        if not self.is_open:
            assert quote in self.refused()
            return
        assert isinstance(quote, QuoteAnswer)
        self.quoted, self.state = None, SessionStatus.ACTIVE

    @rule()
    def cancels(self) -> None:
        answer = self.run(self.shop.cancel(cancel(self.id)))
        if self.is_open or self.state is SessionStatus.CANCELLED:
            assert not isinstance(answer, str)
            self.state = SessionStatus.CANCELLED
        elif answer not in self.refused():
            # Queued, and every send of it known not to have reached the host.
            assert self.state is SessionStatus.FINALIZING
            assert not self.in_doubt
            self.state, self.sold = SessionStatus.CANCELLED, None

    @rule(amount=_AMOUNTS, word=st.sampled_from(Word), named=st.booleans())
    def finalizes(self, amount: str, word: Word, named: bool) -> None:
        """The sale's first finalize, a repetition, or one with another payload."""
        course = word.course()
        if self.is_open and course is not None:
            self.shop.host.plan(HostCall.FINALIZE, course)
        quote_id = self.quoted[1] if named and self.quoted is not None else None
        if self.sold is not None:
            amount, quote_id = self.sold, self._quote_of_the_sale
        elif quote_id is not None and self.quoted is not None:
            amount = self.quoted[0]
        self._settle(amount, quote_id, word)

    def _settle(self, amount: str, quote_id: QuoteId | None, word: Word) -> None:
        done = self.run(self.shop.finalize(finalize(self.id, amount, quote_id=quote_id)))
        answer = None if isinstance(done, str) else done.answer
        if self.state is SessionStatus.FINALIZED or self.state is SessionStatus.FINALIZING:
            assert not isinstance(done, str)
            assert self.answers.setdefault(self.state, done.body) == done.body
            assert self.state is done.answer.status
            return
        if not self.is_open:
            assert done in self.refused()
            return
        match word:
            case Word.NO:
                assert "pdi_rejected" == done
            case Word.REFUSES:
                assert "pdi_unauthorized" == done
            case Word.YES:
                assert isinstance(answer, FinalizeAnswer)
                assert (SessionStatus.FINALIZED, _points(amount)) == (answer.status, answer.earned_points)
                self.state, self.ledger = SessionStatus.FINALIZED, self.ledger + 1
            case _:
                assert isinstance(answer, FinalizeAnswer)
                assert (SessionStatus.FINALIZING, _points(amount)) == (answer.status, answer.earned_points)
                self.state, self.in_doubt = SessionStatus.FINALIZING, word is not Word.BUSY
                self.ledger += word is Word.DONE
        if not isinstance(done, str):
            self.sold, self._quote_of_the_sale = amount, quote_id
            self.answers[self.state] = done.body

    _quote_of_the_sale: QuoteId | None = None

    @precondition(lambda self: self.sold is not None)
    @rule()
    def finalizes_with_another_payload(self) -> None:
        done = self.run(self.shop.finalize(finalize(self.id, "99.00")))
        assert done in self.refused(by_mismatch=True)

    @rule(word=st.sampled_from(Word), seconds=st.sampled_from([0, 20, 90]))
    def a_worker_comes_by(self, word: Word, seconds: int) -> None:
        """What is due is tried once; it is settled, or fails by a definite no, or waits on."""
        self.shop.clock.advance(seconds)
        course = word.course()
        asked = self.shop.host.calls.count(HostCall.FINALIZE)
        if course is not None:
            self.shop.host.plan(HostCall.FINALIZE, course)
        self.runner.run(self._deliver())
        sent = self.shop.host.calls.count(HostCall.FINALIZE) > asked
        if not sent:
            self.shop.host._courses[HostCall.FINALIZE].clear()  # what was planned for a send that was not due
        if self.state is not SessionStatus.FINALIZING:
            assert not sent
            return
        if sent:
            self.ledger += word in {Word.YES, Word.DONE}
            if word is Word.NO and not self.in_doubt:
                self.state = SessionStatus.FAILED
            self.in_doubt = self.in_doubt or word in {Word.LOST, Word.DONE}
        if self.ledger and self._stored() is SessionStatus.FINALIZED:
            self.state = SessionStatus.FINALIZED

    async def _deliver(self) -> Any:
        return await self.shop.deliver()

    @rule()
    def asks_how_it_stands(self) -> None:
        """Asking may find what the host has booked in silence; nothing else changes by it."""
        answer = self.run(self.shop.status(status(self.id)))
        assert not isinstance(answer, str)
        if self.state is SessionStatus.FINALIZING and self.ledger and answer.status is SessionStatus.FINALIZED:
            self.state = SessionStatus.FINALIZED
        assert self.state is answer.status

    @precondition(lambda self: self.is_open)
    @rule()
    def its_time_runs_out(self) -> None:
        self.shop.clock.advance(TTL.total_seconds())
        self.state, self.quoted = SessionStatus.FAILED, None

    @rule()
    def records_are_cleared(self) -> None:
        """Mirror and answers of record go; every replay is made anew from the session."""
        self.shop.cache.clear()
        self.shop.store.clear_answers()

    # -- what holds at every moment

    def _stored(self) -> SessionStatus:
        return self.runner.run(self.shop.session(self.id)).status

    @invariant()
    def the_session_is_what_the_model_says(self) -> None:
        if self.session_id is None:
            return
        stored = self._stored()
        unswept = self.state is SessionStatus.FAILED and not self.sold
        assert self.state is stored or (unswept and stored in {SessionStatus.ACTIVE, SessionStatus.CALCULATED})

    @invariant()
    def the_host_has_booked_what_the_model_says(self) -> None:
        """Once per sale, whatever was repeated; nothing for what was cancelled, failed or refused."""
        assert self.ledger == len(self.shop.host.ledger)
        assert self.ledger <= 1
        assert self.sessions >= len(self.shop.store.all())

    @invariant()
    def the_timeline_has_every_step(self) -> None:
        """Each change begins where the last one of its session ended, but for the workers' claims in between."""
        last: dict[SessionId, int] = {}
        for change in self.shop.store.timeline:
            assert change.before is None or change.before.version >= last[change.after.id]
            last[change.after.id] = change.after.version


TestSessionLifecycle = SessionLifecycle.TestCase
