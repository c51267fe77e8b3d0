"""Transitions of a sale, from identification to settlement, with generated content."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, HostReceipt, Session
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from tests.contracts.sales import CHANNEL, an_intent, new_session, quote_of
from tests.properties.baskets import baskets

Step: TypeAlias = Callable[[Session], tuple[Session, Cause]]

START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
EMPTY: Final = quote_of(Basket(amount=Decimal(0), lines=(), channel=CHANNEL))
# What PostgreSQL's text cannot hold is refused at our doors: NUL, and halves of characters.
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
POINTS: Final = st.integers(0, 2**63 - 1)
MOMENTS: Final = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract
_JSON: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@st.composite
def metadata(draw: st.DrawFn) -> dict[str, Any]:
    """A POS's notes, as they come out of the decoder that reads requests."""
    leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT | st.sampled_from([1.5, 0.1, -2e-7, 1e22])
    nested = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2))
    return _JSON.decode(msgspec.json.encode(draw(st.dictionaries(TEXT, nested, max_size=3))))


@st.composite
def quotes(draw: st.DrawFn) -> SessionQuote:
    """Quotes of something, with and without the host's own figures, redemption among them."""
    basket = draw(baskets(redeem=False).filter(lambda basket: not basket.is_empty))
    if draw(st.booleans()):
        basket = Basket(amount=Decimal("150.00"), lines=basket.lines, channel=CHANNEL, redeem_points=500)
    host = st.builds(
        HostQuote,
        earned_points=POINTS,
        bonus_points=POINTS,
        base_points=POINTS,
        tier_bonus=POINTS,
        multiplier=st.decimals(0, 1000, places=3),
        redemption_confirmed=st.booleans(),
    )
    return msgspec.structs.replace(
        quote_of(basket, draw(st.sampled_from(["Gold", "None such", None]))),
        host=draw(st.none() | host),
        provisional=draw(st.booleans()),
    )


# -- steps of an open session


def quoted(draw: st.DrawFn) -> Step:
    quote = draw(quotes())
    return lambda session: (session.quoted(quote, START), Cause.QUOTED)


def emptied(_: st.DrawFn) -> Step:
    return lambda session: (session.quoted(EMPTY, START), Cause.EMPTIED)


def host_knows(draw: st.DrawFn) -> Step:
    member = Member(new_session().customer, draw(st.none() | TEXT))
    return lambda session: (session.host_identified(HostSessionId("pdi-2"), member), Cause.HOST_IDENTIFIED)


def host_forgets(_: st.DrawFn) -> Step:
    return lambda session: (session.host_session_lost(), Cause.HOST_SESSION_LOST)


def cancelled(_: st.DrawFn) -> Step:
    return lambda session: (session.cancel(START), Cause.CANCELLED)


def expired(_: st.DrawFn) -> Step:
    return lambda session: (session.expire(session.expires_at), Cause.EXPIRED)


def begin(draw: st.DrawFn) -> Step:
    other = draw(st.none() | quotes())
    delivery = Delivery(number=draw(st.integers(1, 9)), begun_at=draw(MOMENTS), next_attempt_at=draw(MOMENTS))

    def step(session: Session) -> tuple[Session, Cause]:
        quote = other or session.quote or EMPTY
        return session.begin_finalize(an_intent(session, quote), delivery, START), Cause.FINALIZE_INTENDED

    return step


def reverted(_: st.DrawFn) -> Step:
    return lambda session: (session.revert(START), Cause.HOST_REJECTED)


# -- steps of one whose settlement is owed


def delivering(change: Callable[[Delivery], Delivery], cause: Cause) -> Step:
    def step(session: Session) -> tuple[Session, Cause]:
        assert session.delivery is not None
        return session.attempt(change(session.delivery)), cause

    return step


def attempt(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)
    return delivering(lambda delivery: delivery.begin_attempt(now, now + timedelta(seconds=10)), Cause.ATTEMPT_BEGUN)


def unanswered(draw: st.DrawFn) -> Step:
    error, at = draw(TEXT), draw(MOMENTS)
    return delivering(
        lambda delivery: delivery.attempt_unanswered(delivery.claimed_until or at, error, at), Cause.DELIVERY_AWAITED
    )


def parked(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)
    return delivering(lambda delivery: delivery.park(now), Cause.PARKED)


def promised(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)

    def step(session: Session) -> tuple[Session, Cause]:
        assert session.delivery is not None
        return session.promise(session.delivery, now), Cause.DELIVERY_AWAITED

    return step


def recomputed(draw: st.DrawFn) -> Step:
    quote = draw(quotes())
    return lambda session: (session.recompute(quote), Cause.HOST_IDENTIFIED)


def answered() -> Step:
    """Every send has had a definite answer, so that the host's no ends the session."""
    return delivering(lambda delivery: msgspec.structs.replace(delivery, unanswered=0), Cause.DELIVERY_AWAITED)


def completed(draw: st.DrawFn) -> Step:
    receipt = HostReceipt(earned_points=draw(POINTS), new_balance=draw(st.none() | st.integers(-(2**63), 2**63 - 1)))
    return lambda session: (session.complete(receipt, START), Cause.HOST_ACCEPTED)


def failed(draw: st.DrawFn) -> Step:
    reason = draw(TEXT)
    return lambda session: (session.fail(reason, START), Cause.HOST_REJECTED)
