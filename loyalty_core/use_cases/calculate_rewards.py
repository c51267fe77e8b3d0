from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final, Self

import msgspec

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import HostRefusedUs, RedemptionNeedsHost, RejectedByHost
from loyalty_core.domain.identifiers import ChannelId, SessionId
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostIdentification,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostUndelivered,
)
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import CustomerSnapshot, SessionChange
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import QuoteAnswer
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.quote_answer import quote_answer
from loyalty_core.use_cases.transitions import Transitions

_ANYWHERE: Final = ChannelId("anywhere")


class Calculate(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Quote the points of a basket. Repeatable until the sale is finalized."""

    caller: Caller
    session_id: SessionId
    amount: Decimal
    """Gross, in the program's currency."""
    lines: tuple[BasketLine, ...] = ()
    redeem_points: int = 0
    if_match: int | None = None

    @classmethod
    def of(cls, basket: Basket, *, caller: Caller, session_id: SessionId, if_match: int | None = None) -> Self:
        """The command to quote a basket that was judged already; whatever channel it names is the session's then."""
        command = cls(
            caller=caller,
            session_id=session_id,
            amount=basket.amount,
            lines=basket.lines,
            redeem_points=basket.redeem_points,
            if_match=if_match,
        )
        command.__dict__["basket"] = basket
        return command

    @cached_property
    def basket(self) -> Basket:
        """What is being sold, wherever that is: the session knows its channel.

        Raises:
            InvalidBasket: a value breaks its bound.
        """
        return Basket(amount=self.amount, lines=self.lines, channel=_ANYWHERE, redeem_points=self.redeem_points)


class _HostsWord(msgspec.Struct, frozen=True, kw_only=True):
    """What the host said of a basket, and of the customer where it had to be asked for that first."""

    quote: HostQuote | None = None
    identified: HostIdentification | None = None


class CalculateRewards:
    """Quotes a basket by our program, and by the host's word where that counts or is needed."""

    def __init__(self, ports: Ports, *, flights: Flights, pricing: Pricing, budgets: Budgets) -> None:
        self._store = ports.store
        self._host = ports.host
        self._clock = ports.clock
        self._observer = ports.observer
        self._flights = flights
        self._pricing = pricing
        self._budgets = budgets
        self._transitions = Transitions(ports)

    async def __call__(self, command: Calculate) -> QuoteAnswer:
        """The quote; the current one where the basket means the same.

        Raises:
            SessionNotFound, VersionMismatch, SessionExpired, SettlementFailed, IllegalTransition: see there.
            InvalidBasket, RedemptionRefused: the basket or the redemption is not one the program allows.
            RejectedByHost: the host refuses the customer or the redemption; the session is unchanged.
            RedemptionNeedsHost, HostRefusedUs: the host could not be asked; the session is unchanged.
            InFlight, ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        answer, _ = await self._flights.board(
            command,  # equal ones mean the same, however their numbers are written
            lambda: self._calculate(command),
            within=self._budgets.calculate + self._budgets.slack,
        )
        return answer

    async def _calculate(self, command: Calculate) -> QuoteAnswer:
        deadline = Deadline(self._clock, self._budgets.calculate)
        word: _HostsWord | None = None
        races = 0
        while True:
            loaded = await load_for(self._store, command.caller, command.session_id)
            session = loaded.session
            time = StoreTime(self._clock, loaded.now)
            session.check_version(command.if_match)
            session.check_open("calculateRewards", loaded.now)
            basket = command.basket.at(session.channel)
            if session.quote is not None and session.quote.basket == basket:
                return quote_answer(session.quote, self._pricing, session.version)
            # Our own program judges first: what it refuses, the host is not troubled with.
            quote = self._pricing.quote(basket, session.customer, session.tier, session.occurred_at or loaded.now)
            if word is None and self._pricing.asks_host(basket):
                word = await self._ask(session, basket, deadline)
            try:
                return await self._keep(session, quote, word, time.now())
            except StaleSession:
                races += 1
                await self._transitions.give_way(races)

    async def _keep(self, session: Session, quote: SessionQuote, word: _HostsWord | None, now: datetime) -> QuoteAnswer:
        known, snapshot = session, None
        if word is not None and word.identified is not None:
            member = word.identified.member
            known = session.host_identified(word.identified.session, member)
            snapshot = CustomerSnapshot(member=member, at=now)
            quote = self._pricing.with_tier(quote, member.customer_id, member.tier)
        if word is not None:
            quote = self._pricing.confirmed(quote, word.quote)
        quoted = known.quoted(quote, now)
        cause = Cause.EMPTIED if quoted.quote is None else Cause.QUOTED
        await self._transitions.commit(SessionChange(before=session, after=quoted, cause=cause), snapshot=snapshot)
        self._note_disagreement(quoted, quote)
        return quote_answer(quote, self._pricing, quoted.version)

    def _note_disagreement(self, session: Session, quote: SessionQuote) -> None:
        if quote.disagreement:
            self._observer.quotes_disagreed(session, quote)

    async def _ask(self, session: Session, basket: Basket, deadline: Deadline) -> _HostsWord:
        """The host's figures; none of them where it cannot be asked and they can be done without."""
        identified: HostIdentification | None = None
        try:
            handle = session.host_session
            if handle is None:
                identified = await self._identify(session, deadline)
                handle = identified.session
            try:
                quote = await self._host.calculate(handle, basket, within=deadline.left())
            except HostSessionUnknown:
                if identified is not None:
                    raise
                identified = await self._identify(session, deadline)
                quote = await self._host.calculate(identified.session, basket, within=deadline.left())
        except HostRejection as no:
            raise RejectedByHost(no.reason, no.message, no.details) from no
        except HostRefusesUs as refused:
            raise HostRefusedUs(retry_after=refused.retry_after) from refused
        except HostError as error:
            if basket.redeem_points:
                retry_after = error.retry_after if isinstance(error, HostUndelivered) else 1.0
                raise RedemptionNeedsHost(retry_after=retry_after) from error
            return _HostsWord(identified=identified)
        return _HostsWord(quote=quote, identified=identified)

    async def _identify(self, session: Session, deadline: Deadline) -> HostIdentification:
        return await self._host.identify(
            session.channel,
            session.transaction,
            session.customer,
            within=min(self._budgets.identify, deadline.left()),
        )
