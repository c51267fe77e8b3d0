"""Quoting a basket: our figures, the host's, and what becomes of them when it cannot be asked."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.basket import BasketLine, InvalidBasket
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    HostRefusedUs,
    IllegalTransition,
    RedemptionNeedsHost,
    RejectedByHost,
    SessionExpired,
    SessionNotFound,
    VersionMismatch,
)
from loyalty_core.domain.identifiers import ClientId, CustomerId
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotSent,
    HostRefusesUs,
    HostSessionUnknown,
    HostSilence,
)
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.pricing import Authority
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.shop import CALLER, TTL, Shop, calculate, cancel

LINES = (BasketLine("COFFEE", Decimal(2), Decimal("4.50")), BasketLine("SMOKES", Decimal(1), Decimal(9), "tobacco"))


def _dearer_host() -> Shop:
    """A shop whose host gives three points a dollar, where our own program gives two."""
    shop = Shop()
    shop.host._program = msgspec.structs.replace(built_in_program(), points_per_unit=Decimal(3))
    return shop


async def test_the_published_example() -> None:
    """Gold, 150.00: base 300, tier bonus 150, earned 450, three points a dollar."""
    shop = Shop()
    session_id = await shop.opened()

    quote = await shop.calculate(calculate(session_id, "150.00"))

    assert (450, Decimal("3.0"), 150, 300, 150, ()) == (
        quote.earned_points,
        quote.multiplier,
        quote.bonus_points,
        quote.breakdown.base_points,
        quote.breakdown.tier_bonus,
        quote.breakdown.promotions,
    )
    session = await shop.session(session_id)
    assert (SessionStatus.CALCULATED, quote.version, False) == (session.status, session.version, quote.provisional)


async def test_lines_are_explained() -> None:
    """Each line says what it earns, or why it earns nothing."""
    shop = Shop(authority=Authority.LOCAL)

    quote = await shop.calculate(calculate(await shop.opened(), "18.00", lines=LINES))

    assert [("COFFEE", 27, None), ("SMOKES", 0, "excluded_category")] == [
        (line.sku, line.earned_points, line.exclusion and line.exclusion.value) for line in quote.lines
    ]


async def test_an_equal_basket_gets_the_current_quote() -> None:
    """However its amount is spelled: the same quote, the same version, and nobody is asked."""
    shop = Shop()
    session_id = await shop.opened()
    first = await shop.calculate(calculate(session_id, "150.00"))
    asked = len(shop.host.calls)

    again = await shop.calculate(calculate(session_id, "150"))

    assert first == again
    assert asked == len(shop.host.calls)


async def test_any_other_basket_is_quoted_again() -> None:
    """And is the current one then."""
    shop = Shop()
    session_id = await shop.quoted("150.00")

    other = await shop.calculate(calculate(session_id, "20.00"))

    session = await shop.session(session_id)
    assert session.quote is not None
    assert (60, other.quote_id) == (other.earned_points, session.quote.id)


async def test_an_empty_basket_takes_the_quote_back() -> None:
    """Nothing sold earns nothing; the host is not asked about it."""
    shop = Shop()
    session_id = await shop.quoted()
    asked = len(shop.host.calls)

    quote = await shop.calculate(calculate(session_id, "0"))

    assert (0, SessionStatus.ACTIVE) == (quote.earned_points, (await shop.session(session_id)).status)
    assert asked == len(shop.host.calls)


async def test_the_hosts_figure_wins_and_ours_is_kept() -> None:
    """Where the host has the last word, a difference is stored and told to whoever counts."""
    shop = _dearer_host()
    session_id = await shop.opened()

    quote = await shop.calculate(calculate(session_id, "100.00"))

    session = await shop.session(session_id)
    assert session.quote is not None
    assert (450, 300, [150]) == (quote.earned_points, session.quote.ours.earned_points, shop.notes.disagreements)
    assert () == quote.breakdown.promotions


async def test_under_our_own_authority_the_host_is_not_asked() -> None:
    """Our program alone decides."""
    shop = Shop(authority=Authority.LOCAL)
    quote = await shop.calculate(calculate(await shop.opened()))

    assert (450, False) == (quote.earned_points, quote.provisional)
    assert HostCall.CALCULATE not in shop.host.calls


async def test_a_redemption_is_asked_for_under_either_authority() -> None:
    """Only the host knows whether the points are there; under ours, the figure stays ours."""
    shop = _dearer_host()
    local = Shop(authority=Authority.LOCAL, shared=shop)
    session_id = await local.opened()

    quote = await local.calculate(calculate(session_id, "100.00", redeem_points=1000))

    session = await local.session(session_id)
    assert session.quote is not None
    assert session.quote.host is not None
    assert session.quote.host.redemption_confirmed
    assert quote.redemption is not None
    assert (270, 1000, Decimal("10.00")) == (quote.earned_points, quote.redemption.points, quote.redemption.discount)


async def test_points_that_are_not_there() -> None:
    """The host's no is the answer, and the session is as it was."""
    shop = Shop()
    session_id = await shop.opened()

    with pytest.raises(RejectedByHost) as refused:
        await shop.calculate(calculate(session_id, redeem_points=1300))

    assert "insufficient_points" == refused.value.reason
    assert 1 == (await shop.session(session_id)).version


@pytest.mark.parametrize(("away", "seconds"), [(HostSilence("timeout"), 1.0), (HostNotSent("x", retry_after=4), 4.0)])
async def test_a_redemption_without_the_host(away: HostError, seconds: float) -> None:
    """Points cannot be spent on trust; the session is as it was."""
    shop = Shop()
    session_id = await shop.opened()
    shop.host.plan(HostCall.CALCULATE, Course(error=away))

    with pytest.raises(RedemptionNeedsHost) as refused:
        await shop.calculate(calculate(session_id, redeem_points=100))

    assert seconds == refused.value.retry_after
    assert 1 == (await shop.session(session_id)).version


async def test_a_quote_without_the_host_is_provisional() -> None:
    """The local program answers; the sale is not blocked."""
    shop = Shop()
    session_id = await shop.opened()
    shop.host.plan(HostCall.CALCULATE, Course(error=HostSilence("timeout")))

    quote = await shop.calculate(calculate(session_id))

    assert (450, True) == (quote.earned_points, quote.provisional)


async def test_refused_credentials() -> None:
    """A refusal is for the operator to see, not for the till to paper over."""
    shop = Shop()
    session_id = await shop.opened()
    shop.host.plan(HostCall.CALCULATE, Course(error=HostRefusesUs("unauthorized", retry_after=9)))

    with pytest.raises(HostRefusedUs) as refused:
        await shop.calculate(calculate(session_id))
    assert 9 == refused.value.retry_after


async def test_a_customer_learnt_late_counts_at_once() -> None:
    """A session opened without the host gets its handle and its tier with the first quote that reaches it."""
    shop = Shop(authority=Authority.LOCAL)
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    before = await shop.calculate(calculate(session_id, "100.00"))

    after = await shop.calculate(calculate(session_id, "100.00", redeem_points=100))

    session = await shop.session(session_id)
    assert (200, 297) == (before.earned_points, after.earned_points)
    assert ("Gold", True) == (session.tier, session.host_session is not None)
    snapshot = await shop.store.find_snapshot(CustomerId("ADA"))
    assert snapshot is not None
    assert "Gold" == snapshot.member.tier


async def test_a_customer_learnt_late_and_rejected() -> None:
    """The live call gets the host's no, and nothing changes."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened(customer="NOBODY")

    with pytest.raises(RejectedByHost):
        await shop.calculate(calculate(session_id))
    assert 1 == (await shop.session(session_id)).version


async def test_a_customer_still_not_known() -> None:
    """Identifying fails again: a provisional quote by what is known."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("a")), Course(error=HostSilence("b")))

    quote = await shop.calculate(calculate(await shop.opened()))

    assert (300, True) == (quote.earned_points, quote.provisional)


async def test_a_session_that_the_host_has_lost_is_opened_again() -> None:
    """The customer is identified once more, and the quote is the host's."""
    shop = Shop()
    session_id = await shop.opened()
    shop.host.lose_sessions()

    quote = await shop.calculate(calculate(session_id))

    assert (450, False) == (quote.earned_points, quote.provisional)
    assert 2 == shop.host.calls.count(HostCall.IDENTIFY)


async def test_a_session_that_the_host_loses_again_and_again() -> None:
    """Once is enough: the quote is provisional."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    shop.host.plan(HostCall.CALCULATE, Course(error=HostSessionUnknown("session_unknown")))

    quote = await shop.calculate(calculate(session_id))

    assert quote.provisional
    assert (await shop.session(session_id)).host_session is not None


async def test_a_race_is_decided_again_without_asking_again() -> None:
    """The host's word for a basket is good for the session as it is by then."""
    shop = Shop()
    session_id = await shop.opened()
    shop.store.plan(Cause.QUOTED, StaleSession())

    quote = await shop.calculate(calculate(session_id))

    assert 450 == quote.earned_points
    assert 1 == shop.host.calls.count(HostCall.CALCULATE)


async def test_races_end() -> None:
    """Whoever loses every race is told so."""
    shop = Shop()
    session_id = await shop.opened()
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.QUOTED, StaleSession())

    with pytest.raises(ConcurrentUpdate):
        await shop.calculate(calculate(session_id))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"amount": Decimal("1.234")}, InvalidBasket),
        ({"amount": Decimal(-1)}, InvalidBasket),
        ({"redeem_points": 50}, RedemptionRefused),
        ({"if_match": 7}, VersionMismatch),
        ({"caller": Caller(ClientId("bolt"), ("*",))}, SessionNotFound),
        ({"caller": Caller(CALLER.client, ("WEB",))}, SessionNotFound),
    ],
)
async def test_what_we_refuse_ourselves(change: dict[str, Any], error: type[Exception]) -> None:
    """The host is not troubled with it."""
    shop = Shop()
    session_id = await shop.opened()
    asked = len(shop.host.calls)

    with pytest.raises(error):
        await shop.calculate(msgspec.structs.replace(calculate(session_id), **change))
    assert asked == len(shop.host.calls)


async def test_a_session_whose_time_is_over() -> None:
    """Expiry is judged in the call, swept or not."""
    shop = Shop()
    session_id = await shop.opened()
    shop.clock.advance(TTL.total_seconds())

    with pytest.raises(SessionExpired):
        await shop.calculate(calculate(session_id))


async def test_a_session_that_is_over() -> None:
    """A cancelled session is not quoted."""
    shop = Shop()
    session_id = await shop.opened()
    await shop.cancel(cancel(session_id))

    with pytest.raises(IllegalTransition):
        await shop.calculate(calculate(session_id))
