"""Kinds of sales for a seeded database: each a whole history of real transitions, in the mix of an ordinary quarter."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias
from uuid import uuid4

from uuid_utils.compat import uuid7

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    CustomerId,
    HostSessionId,
    QuoteId,
    ReturnId,
    SessionId,
    TransactionId,
    receipt_id,
)
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.return_request import ReturnedShare
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.session import Cause, FinalizeIntent, HostReceipt, Opening, Session, SessionStatus
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_returns import attempt_return, begin_return, complete_return
from loyalty_core.ports.unit_of_work import SessionChange

History: TypeAlias = list[SessionChange]

TTL: Final = timedelta(hours=24)
_STEP: Final = timedelta(seconds=9)
_CHANNEL: Final = ChannelId("POS-001")
_SHELF: Final = (
    BasketLine("COFFEE-BEANS-1KG", Decimal(2), unit_price=Decimal("14.50"), category="grocery"),
    BasketLine("DIESEL", Decimal("31.459"), unit_price=Decimal("1.799"), category="fuel"),
    BasketLine("CAR-WASH", Decimal(1), unit_price=Decimal("12.00"), category="service"),
    BasketLine("SANDWICH", Decimal(3), unit_price=Decimal("5.25"), category="deli"),
)


class Kind(NamedTuple):
    """How one in so many of a thousand sales goes."""

    name: str
    weight: int
    live: Callable[[datetime], History]
    """Its history, opened at that moment."""


class _Sale:
    """One sale on its way: each step a transition a few seconds after the one before."""

    def __init__(self, at: datetime, tier: str | None = "Gold") -> None:
        self.now = at
        session = Session(
            id=SessionId(uuid7()),
            client=ClientId("chain"),
            channel=_CHANNEL,
            transaction=TransactionId(f"T-{uuid4().hex}"),
            customer=CustomerId("C"),
            status=SessionStatus.ACTIVE,
            version=1,
            opening=Opening(fingerprint=uuid4().hex * 2, name="Ada Lovelace", points=1200, tier=tier),
            tier=tier,
            created_at=at,
            expires_at=at + TTL,
            metadata={"cashier": "17", "lane": 4},
            host_session=HostSessionId(f"PDI-{uuid4().hex}"),
        )
        self.changes = [SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)]

    @property
    def session(self) -> Session:
        return self.changes[-1].after

    def go(self, change: Callable[[Session], Session], cause: Cause) -> "_Sale":
        self.now += _STEP
        self.changes.append(SessionChange(before=self.session, after=change(self.session), cause=cause))
        return self

    def quote(self, lines: int) -> "_Sale":
        shelf = _SHELF[:lines]
        amount = sum((line.quantity * (line.unit_price or 0) for line in shelf), Decimal(0)) or Decimal(150)
        basket = Basket(amount=amount.quantize(Decimal("0.01")), lines=shelf, channel=_CHANNEL)
        member = Member(self.session.customer, self.session.tier)
        ours = calculate(built_in_program(), basket, member, self.now)
        quote = SessionQuote(id=QuoteId(f"q_{uuid7().hex}"), basket=basket, tier=member.tier, ours=ours)
        return self.go(lambda session: session.quoted(quote, self.now), Cause.QUOTED)

    def intend(self) -> "_Sale":
        lease = self.now + timedelta(seconds=12)
        delivery = Delivery(number=1, begun_at=self.now, next_attempt_at=lease).begin_attempt(self.now, lease)
        intent = self._intent(apply_rewards=True)
        return self.go(lambda it: it.begin_finalize(intent, delivery, self.now), Cause.FINALIZE_INTENDED)

    def await_delivery(self) -> "_Sale":
        delivery = self._delivery()
        retry_at = self.now + timedelta(seconds=1)
        later = delivery.attempt_unanswered(delivery.claimed_until or self.now, "no answer in time", retry_at)
        return self.go(lambda session: session.promise(later, self.now), Cause.DELIVERY_AWAITED)

    def park(self) -> "_Sale":
        delivery = self._delivery()
        return self.go(lambda session: session.attempt(delivery.park(self.now)), Cause.PARKED)

    def complete(self) -> "_Sale":
        receipt = HostReceipt(earned_points=self.session.earned_points, new_balance=1200 + self.session.earned_points)
        return self.go(lambda session: session.complete(receipt, self.now), Cause.HOST_ACCEPTED)

    def without_rewards(self) -> "_Sale":
        intent = self._intent(apply_rewards=False)
        cause = Cause.FINALIZED_WITHOUT_REWARDS
        return self.go(lambda session: session.finalize_without_rewards(intent, self.now), cause)

    def fail(self) -> "_Sale":
        delivery = self._delivery().attempt_refused(self.now, "invalid_customer", self.now)
        self.go(lambda session: session.attempt(delivery), Cause.DELIVERY_AWAITED)
        return self.go(lambda session: session.fail("invalid_customer", self.now), Cause.HOST_REJECTED)

    def begin_return(self, name: str, share: str) -> "_Sale":
        basket = self.session.intent.basket if self.session.intent else Basket(Decimal(0), (), _CHANNEL)
        lease = self.now + timedelta(seconds=12)
        goods = PurchaseReturn(
            id=ReturnId(name),
            fingerprint=uuid4().hex * 2,
            share=ReturnedShare((share,) * max(1, len(basket.lines))),
            delivery=Delivery(number=self.session.intents + 1, begun_at=self.now, next_attempt_at=lease),
            created_at=self.now,
        )
        return self.go(lambda session: begin_return(session, goods), Cause.RETURN_INTENDED)

    def settle_return(self, name: str, part: int) -> "_Sale":
        figures = ReturnFigures(self.session.earned_points // part, 0)
        return self.go(lambda it: complete_return(it, ReturnId(name), figures, self.now), Cause.RETURN_SETTLED)

    def park_return(self, name: str) -> "_Sale":
        parked = self.session.returns[-1].delivery.park(self.now)
        return self.go(lambda session: attempt_return(session, ReturnId(name), parked), Cause.PARKED)

    def cancel(self) -> "_Sale":
        return self.go(lambda session: session.cancel(self.now), Cause.CANCELLED)

    def expire(self) -> "_Sale":
        self.now = self.session.expires_at
        return self.go(lambda session: session.expire(self.now), Cause.EXPIRED)

    def _intent(self, *, apply_rewards: bool) -> FinalizeIntent:
        quote = self.session.quote
        if quote is None:
            raise ValueError("a seeded sale is quoted before it is finalized")
        return FinalizeIntent(
            fingerprint=uuid4().hex * 2,
            basket=quote.basket,
            apply_rewards=apply_rewards,
            receipt=receipt_id(self.now.year, 1),
            quote=quote,
            resumes=self.session.status,
        )

    def _delivery(self) -> Delivery:
        if self.session.delivery is None:
            raise ValueError("only a seeded sale that is being finalized has a delivery")
        return self.session.delivery


def _sold(at: datetime, lines: int, tier: str | None = "Gold") -> _Sale:
    return _Sale(at, tier).quote(lines).intend().complete()


def _half_back(at: datetime) -> _Sale:
    return _sold(at, 3).begin_return("R-1", "1/2").settle_return("R-1", 2)


KINDS: Final = (
    Kind("sold, one amount", 180, lambda at: _sold(at, 0).changes),
    Kind("sold, two lines", 220, lambda at: _sold(at, 2, "Silver").changes),
    Kind("sold, four lines, quoted twice", 180, lambda at: _Sale(at).quote(2).quote(4).intend().complete().changes),
    Kind("sold, no tier", 60, lambda at: _sold(at, 1, None).changes),
    Kind("sold without rewards", 30, lambda at: _Sale(at).quote(1).without_rewards().changes),
    Kind("sold, delivered late", 30, lambda at: _Sale(at).quote(2).intend().await_delivery().complete().changes),
    Kind("half of it returned", 30, lambda at: _half_back(at).changes),
    Kind("returned", 20, lambda at: _half_back(at).begin_return("R-2", "1/2").settle_return("R-2", 2).changes),
    Kind("refused by the host", 14, lambda at: _Sale(at).quote(2).intend().await_delivery().fail().changes),
    Kind("parked", 1, lambda at: _Sale(at).quote(2).intend().await_delivery().park().changes),
    Kind("a return parked", 1, lambda at: _sold(at, 2).begin_return("R-1", "1/4").park_return("R-1").changes),
    Kind("cancelled", 60, lambda at: _Sale(at).quote(1).cancel().changes),
    Kind("expired and swept", 54, lambda at: _Sale(at).expire().changes),
    Kind("left open", 40, lambda at: _Sale(at).changes),
    Kind("left open with a quote", 80, lambda at: _Sale(at).quote(2).changes),
)
"""Of a thousand sales. Those left open are past their time unless they are of the last day: work for the sweep."""
