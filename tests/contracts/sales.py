"""Sales for the contracts: each call makes one that shares nothing with any other, so suites need no clean store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import msgspec
from uuid_utils.compat import uuid7

from loyalty_core.domain.basket import Basket
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
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.session import Cause, FinalizeIntent, HostReceipt, Opening, Session, SessionStatus
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_returns import begin_return
from loyalty_core.ports.session_store import Loaded, SessionStore
from loyalty_core.ports.unit_of_work import Lane, SessionChange, StoredAnswer, UnitOfWork

CHANNEL: Final = ChannelId("POS-1")
HOUR: Final = timedelta(hours=1)


def new_session(*, customer: str | None = None, **fields: Any) -> Session:
    """A session just identified, of a customer of its own unless told."""
    number = uuid4().hex
    now = datetime.now(UTC)
    session = Session(
        id=SessionId(uuid7()),
        client=ClientId("acme"),
        channel=CHANNEL,
        transaction=TransactionId(f"T-{number}"),
        customer=CustomerId(customer or f"C-{number}"),
        status=SessionStatus.ACTIVE,
        version=1,
        opening=Opening(fingerprint="a" * 64, name="Ada", points=1200, tier="Gold"),
        tier="Gold",
        created_at=now,
        expires_at=now + HOUR,
        host_session=HostSessionId(f"pdi-{number}"),
    )
    return msgspec.structs.replace(session, **fields)


def quote_of(basket: Basket, tier: str | None = "Gold") -> SessionQuote:
    """What the built-in program makes of a basket."""
    now = datetime.now(UTC)
    ours = calculate(built_in_program(), basket, Member(CustomerId("C"), tier), now)
    return SessionQuote(id=QuoteId(uuid4().hex), basket=basket, tier=tier, ours=ours)


def a_quote(amount: str = "150.00") -> SessionQuote:
    return quote_of(Basket(amount=Decimal(amount), lines=(), channel=CHANNEL))


def an_intent(session: Session, quote: SessionQuote) -> FinalizeIntent:
    return FinalizeIntent(
        fingerprint="f" * 64,
        basket=quote.basket,
        apply_rewards=True,
        receipt=receipt_id(2026, 1),
        quote=quote,
        resumes=session.status,
    )


def owed(
    *, begun_at: datetime, next_attempt_at: datetime | None, customer: str | None = None, **delivery: Any
) -> Session:
    """A new session whose finalize is owed since `begun_at`."""
    session = new_session(customer=customer)
    intended = Delivery(number=1, begun_at=begun_at, next_attempt_at=next_attempt_at, **delivery)
    return session.begin_finalize(an_intent(session, a_quote()), intended, datetime.now(UTC))


def settled(session: Session, now: datetime) -> Session:
    return session.complete(HostReceipt(earned_points=450, new_balance=1650), now)


def with_return(session: Session, name: str, *, next_attempt_at: datetime | None, **delivery: Any) -> Session:
    """A sale of which something is to be returned, by an intent as old as the sale's own."""
    begun_at = datetime.now(UTC) if session.delivery is None else session.delivery.begun_at
    goods = PurchaseReturn(
        id=ReturnId(name),
        fingerprint="e" * 64,
        share=ReturnedShare(("1/4",)),
        delivery=Delivery(number=session.intents + 1, begun_at=begun_at, next_attempt_at=next_attempt_at, **delivery),
        created_at=begun_at,
    )
    return begin_return(session, goods)


def unit(
    before: Session | None,
    after: Session,
    cause: Cause,
    *,
    answer: StoredAnswer | None = None,
    lane: Lane = Lane.INTAKE,
) -> UnitOfWork:
    """A unit of work with one change."""
    return UnitOfWork(changes=(SessionChange(before=before, after=after, cause=cause),), answer=answer, lane=lane)


async def stored(store: SessionStore, session: Session) -> Session:
    """`session`, in the store."""
    await store.commit(unit(None, session, Cause.IDENTIFIED))
    return session


async def changed(store: SessionStore, before: Session, change: Callable[[Session], Session], cause: Cause) -> Session:
    """What `change` makes of a stored session, stored."""
    after = change(before)
    await store.commit(unit(before, after, cause))
    return after


async def loaded(store: SessionStore, session: Session) -> Loaded:
    """The session as the store has it; it has to have it."""
    found = await store.find(session.id)
    assert found is not None
    return found


async def store_now(store: SessionStore) -> datetime:
    """The store's clock."""
    return (await store.find_by_key(CHANNEL, TransactionId("T-never-used"))).now
