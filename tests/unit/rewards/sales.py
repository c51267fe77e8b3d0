"""Short ways to write down a program, a basket and a moment."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_parts import Exclusions, Promotion, Tier

TUESDAY_NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
BRONZE = Member(CustomerId("CUST-1"), "Bronze")
GOLD = Member(CustomerId("CUST-1"), "Gold")


def line(sku: str = "A", quantity: str = "1", price: str | None = None, category: str | None = None) -> BasketLine:
    return BasketLine(sku, Decimal(quantity), None if price is None else Decimal(price), category)


def basket(amount: str, *lines: BasketLine, redeem: int = 0) -> Basket:
    return Basket(Decimal(amount), lines, ChannelId("POS-1"), redeem)


def program(*promotions: Promotion, **changes: Any) -> RewardProgram:
    """1 point a euro, Bronze 0 % and Gold 50 %, tobacco excluded, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "id": "test",
        "version": "1",
        "currency": "EUR",
        "minor_units": 2,
        "time_zone": "UTC",
        "points_per_unit": Decimal(1),
        "tiers": (Tier("Bronze", Decimal(0)), Tier("Gold", Decimal(50))),
        "exclusions": Exclusions(skus=("BAG",), categories=("tobacco",)),
        "promotions": promotions,
    }
    return RewardProgram(**{**fields, **changes})


def times(name: str, multiplier: str, **conditions: Any) -> Promotion:
    return Promotion(name, name.title(), multiplier=Decimal(multiplier), **conditions)
