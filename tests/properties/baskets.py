"""Generated baskets, members and moments."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member

SKUS: Final = ("APPLE", "BREAD", "COFFEE", "DIESEL", "EGGS")
CATEGORIES: Final = ("fresh", "hot", "fuel", "tobacco")
CHANNELS: Final = (ChannelId("POS-1"), ChannelId("POS-2"), ChannelId("WEB"))
TIERS: Final = ("Bronze", "Silver", "Gold")
UNKNOWN_TIER: Final = "Unobtainium"

FIRST_MOMENT: Final = datetime(2026, 3, 20, tzinfo=UTC)
"""Around the nights when clocks change in Europe and have just changed in America."""


def members() -> st.SearchStrategy[Member]:
    tiers = st.sampled_from((*TIERS, UNKNOWN_TIER, None))
    return st.builds(Member, st.just(CustomerId("CUST-1")), tiers)


def moments() -> st.SearchStrategy[datetime]:
    """Instants of two weeks, mostly on the hour or next to it, where windows open and close."""
    hours = st.integers(0, 14 * 24).map(lambda hour: timedelta(hours=hour))
    beside = st.sampled_from([timedelta(microseconds=off) for off in (-1, 0, 1)]) | st.timedeltas(
        timedelta(0), timedelta(hours=1)
    )
    return st.builds(lambda hour, off: FIRST_MOMENT + hour + off, hours, beside)


def amounts(places: int = 2, most: int = 10**6) -> st.SearchStrategy[Decimal]:
    """Small ones as a rule, so that minimums and caps are met from both sides; some as large as there are."""
    return (st.integers(0, 10_000) | st.integers(0, most)).map(lambda coins: Decimal(coins).scaleb(-places))


def quantities() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 4).map(Decimal) | st.integers(1, 50_000).map(lambda parts: Decimal(parts).scaleb(-4))


def prices() -> st.SearchStrategy[Decimal]:
    return (
        st.just(Decimal(0))
        | st.integers(0, 3_000).map(lambda cents: Decimal(cents).scaleb(-2))
        | st.integers(0, 30_000_000).map(lambda parts: Decimal(parts).scaleb(-6))
    )


def lines(prices_or_none: st.SearchStrategy[Decimal | None] | None = None) -> st.SearchStrategy[BasketLine]:
    return st.builds(
        BasketLine,
        st.sampled_from(SKUS),
        quantities(),
        st.none() | prices() if prices_or_none is None else prices_or_none,
        st.none() | st.sampled_from(CATEGORIES),
    )


@st.composite
def baskets(draw: st.DrawFn, *, places: int = 2, redeem: bool = True, at_most: int = 6) -> Basket:
    """Any basket: prices that sum to the amount, exceed it or fall short; none at all; nothing for sale."""
    sold = tuple(draw(st.lists(lines(), max_size=at_most)))
    amount = draw(amounts(places))
    total = sum((line.quantity * (line.unit_price or 0) for line in sold), Decimal(0))
    if draw(st.booleans()):
        amount = total.quantize(Decimal(1).scaleb(-places))
    points = draw(st.just(0) | st.integers(1, 40).map(lambda steps: steps * 50)) if redeem else 0
    return Basket(amount, sold, draw(st.sampled_from(CHANNELS)), points)


@st.composite
def consistent_baskets(draw: st.DrawFn, *, at_least: int = 1) -> Basket:
    """Baskets whose prices sum to the amount, or whose unpriced lines take the rest, in whole cents; no redemption."""
    cents = st.integers(0, 3_000).map(lambda number: Decimal(number).scaleb(-2))
    sold = tuple(
        draw(
            st.lists(
                st.builds(
                    BasketLine,
                    st.sampled_from(SKUS),
                    st.integers(1, 4).map(Decimal),
                    st.none() | cents,
                    st.none() | st.sampled_from(CATEGORIES),
                ),
                min_size=at_least,
                max_size=6,
            )
        )
    )
    amount = sum((line.quantity * line.unit_price for line in sold if line.unit_price is not None), Decimal(0))
    if any(line.unit_price is None for line in sold):
        amount += draw(cents)
    return Basket(amount, sold, draw(st.sampled_from(CHANNELS)))
