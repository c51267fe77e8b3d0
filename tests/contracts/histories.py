"""Whole lives of sessions, made by driving real transitions with generated content."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import IllegalTransition
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, HostReceipt, Opening, Session, SessionStatus
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from loyalty_core.ports.unit_of_work import SessionChange
from tests.contracts.sales import CHANNEL, HOUR, an_intent, new_session, quote_of
from tests.properties.baskets import baskets

History: TypeAlias = list[SessionChange]
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


@st.composite
def histories(draw: st.DrawFn, ending: SessionStatus) -> History:
    """A session's changes from its identification to the state `ending`, with detours on the way."""
    session = _identified(draw)
    history = [SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)]

    def go(step: Step) -> None:
        after, cause = step(history[-1].after)
        history.append(SessionChange(before=history[-1].after, after=after, cause=cause, detail=draw(st.none() | TEXT)))

    for _ in range(draw(st.integers(0, 3))):
        go(draw(st.sampled_from(_OPEN_STEPS))(draw))
    if ending in _ENDS_OPEN:
        go(_ENDS_OPEN[ending](draw))
        return history
    go(_begin(draw))
    for _ in range(draw(st.integers(0, 5))):
        step = draw(st.sampled_from(_OWED_STEPS))(draw)
        try:
            go(step)
        except IllegalTransition:  # this detour does not exist here
            continue
    for step in _ENDS_OWED[ending](draw):
        go(step)
    return history


def _identified(draw: st.DrawFn) -> Session:
    opening = st.builds(
        Opening,
        fingerprint=st.just("a" * 64),
        name=st.none() | TEXT,
        points=st.none() | POINTS,
        tier=st.none() | TEXT,
        provisional=st.booleans(),
    )
    return new_session(
        opening=draw(opening),
        tier=draw(st.none() | TEXT),
        created_at=draw(MOMENTS),
        expires_at=START + HOUR,
        occurred_at=draw(st.none() | MOMENTS),
        metadata=draw(metadata()),
        host_session=draw(st.none() | st.just(HostSessionId("pdi-1"))),
    )


# -- steps of an open session


def _quoted(draw: st.DrawFn) -> Step:
    quote = draw(quotes())
    return lambda session: (session.quoted(quote, START), Cause.QUOTED)


def _emptied(_: st.DrawFn) -> Step:
    return lambda session: (session.quoted(EMPTY, START), Cause.EMPTIED)


def _host_knows(draw: st.DrawFn) -> Step:
    member = Member(new_session().customer, draw(st.none() | TEXT))
    return lambda session: (session.host_identified(HostSessionId("pdi-2"), member), Cause.HOST_IDENTIFIED)


def _host_forgets(_: st.DrawFn) -> Step:
    return lambda session: (session.host_session_lost(), Cause.HOST_SESSION_LOST)


def _cancelled(_: st.DrawFn) -> Step:
    return lambda session: (session.cancel(START), Cause.CANCELLED)


def _expired(_: st.DrawFn) -> Step:
    return lambda session: (session.expire(session.expires_at), Cause.EXPIRED)


def _begin(draw: st.DrawFn) -> Step:
    other = draw(st.none() | quotes())
    delivery = Delivery(number=draw(st.integers(1, 9)), begun_at=draw(MOMENTS), next_attempt_at=draw(MOMENTS))

    def step(session: Session) -> tuple[Session, Cause]:
        quote = other or session.quote or EMPTY
        return session.begin_finalize(an_intent(session, quote), delivery, START), Cause.FINALIZE_INTENDED

    return step


# -- steps of one whose settlement is owed


def _delivering(change: Callable[[Delivery], Delivery], cause: Cause) -> Step:
    def step(session: Session) -> tuple[Session, Cause]:
        assert session.delivery is not None
        return session.attempt(change(session.delivery)), cause

    return step


def _attempt(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)
    return _delivering(lambda delivery: delivery.begin_attempt(now, now + timedelta(seconds=10)), Cause.ATTEMPT_BEGUN)


def _unanswered(draw: st.DrawFn) -> Step:
    error, at = draw(TEXT), draw(MOMENTS)
    return _delivering(
        lambda delivery: delivery.attempt_unanswered(delivery.claimed_until or at, error, at), Cause.DELIVERY_AWAITED
    )


def _parked(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)
    return _delivering(lambda delivery: delivery.park(now), Cause.PARKED)


def _promised(draw: st.DrawFn) -> Step:
    now = draw(MOMENTS)

    def step(session: Session) -> tuple[Session, Cause]:
        assert session.delivery is not None
        return session.promise(session.delivery, now), Cause.DELIVERY_AWAITED

    return step


def _recomputed(draw: st.DrawFn) -> Step:
    quote = draw(quotes())
    return lambda session: (session.recompute(quote), Cause.HOST_IDENTIFIED)


def _answered() -> Step:
    """Every send has had a definite answer, so that the host's no ends the session."""
    return _delivering(lambda delivery: msgspec.structs.replace(delivery, unanswered=0), Cause.DELIVERY_AWAITED)


def _completed(draw: st.DrawFn) -> Step:
    receipt = HostReceipt(earned_points=draw(POINTS), new_balance=draw(st.none() | st.integers(-(2**63), 2**63 - 1)))
    return lambda session: (session.complete(receipt, START), Cause.HOST_ACCEPTED)


def _failed(draw: st.DrawFn) -> Step:
    reason = draw(TEXT)
    return lambda session: (session.fail(reason, START), Cause.HOST_REJECTED)


def _returned(draw: st.DrawFn, status: SessionStatus) -> Step:
    share = draw(st.integers(0, 100))

    def step(session: Session) -> tuple[Session, Cause]:
        returned = msgspec.structs.replace(
            session,
            status=status,
            version=session.version + 1,
            points_reversed=session.earned_points * share // 100,
            points_restored=session.redeemed_points * share // 100,
        )
        return returned, Cause.RETURN_SETTLED

    return step


_OPEN_STEPS: Final = [_quoted, _emptied, _host_knows, _host_forgets]
_OWED_STEPS: Final = [_attempt, _unanswered, _parked, _promised, _recomputed, _host_knows, _host_forgets]
_ENDS_OPEN: Final[dict[SessionStatus, Callable[[st.DrawFn], Step]]] = {
    SessionStatus.ACTIVE: _emptied,
    SessionStatus.CALCULATED: _quoted,
    SessionStatus.CANCELLED: _cancelled,
}
_ENDS_OWED: Final[dict[SessionStatus, Callable[[st.DrawFn], list[Step]]]] = {
    SessionStatus.FINALIZING: lambda draw: [_attempt(draw), _unanswered(draw)],
    SessionStatus.FINALIZED: lambda draw: [_completed(draw)],
    SessionStatus.FAILED: lambda draw: [_answered(), _failed(draw)],
    SessionStatus.PARTIALLY_RETURNED: lambda draw: [
        _completed(draw), _returned(draw, SessionStatus.PARTIALLY_RETURNED)
    ],
    SessionStatus.RETURNED: lambda draw: [_completed(draw), _returned(draw, SessionStatus.RETURNED)],
}  # fmt: skip
