"""A database of settled sales whose points anybody can check in the head."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import uuid4

import msgspec
import psycopg

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ChannelId, CustomerId, QuoteId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.program_toml import program_from_toml
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.session import Cause, HostReceipt, Session
from loyalty_core.domain.session_quote import SessionQuote
from tests.contracts.sales import an_intent, new_session, unit
from tests.integration.postgres.archiving import archive

OLD_TOML: Final = """\
id = "shop"
version = "old"
currency = "USD"
minor_units = 2
time_zone = "America/New_York"
points_per_unit = 1
tiers = [{ name = "Silver", bonus_percent = 0 }, { name = "Gold", bonus_percent = 50 }]

[redemption]
points_per_unit = 100
minimum_points = 100
step = 100

[[promotions]]
id = "coffee"
name = "Double points on coffee"
multiplier = 2
categories = ["coffee"]
"""
NEW_TOML: Final = """\
id = "shop"
version = "new"
currency = "USD"
minor_units = 2
time_zone = "America/New_York"
points_per_unit = 2
tiers = [{ name = "Silver", bonus_percent = 0 }, { name = "Gold", bonus_percent = 25 }]

[redemption]
points_per_unit = 100
minimum_points = 500
step = 100

[[promotions]]
id = "tea"
name = "7 points for tea"
points = 7
per = "basket"
categories = ["tea"]
"""
OLD: Final = program_from_toml(OLD_TOML)

# All are of 10.00 USD; beside each, what the old program gives for it, and the new one.
PLAIN: Final = (None, "bread", 0)  # 10, 20
GOLD: Final = ("Gold", "bread", 0)  # 10 + 5, 20 + 5
COFFEE: Final = (None, "coffee", 0)  # 10 + 10, 20
TEA: Final = ("Silver", "tea", 0)  # 10, 20 + 7
PAID: Final = (None, "bread", 200)  # 8, and 200 points are too few for the new program
KINDS: Final = (PLAIN, GOLD, COFFEE, TEA, PAID)

# Half an hour before midnight where the shop is, which is another day in UTC.
NIGHTS: Final = tuple(datetime(2026, 11, day, 4, 30, tzinfo=UTC) for day in (2, 3, 4))


def a_sale(number: int, *, rewarded: bool = True, uploaded_late: bool = False) -> Session:
    """The sale of that number, settled: kinds and nights take turns; all but each fourth were quoted by `OLD`."""
    tier, category, redeem = KINDS[number % len(KINDS)]
    at = NIGHTS[number // len(KINDS) % len(NIGHTS)]
    lines = (BasketLine("THING", Decimal(1), unit_price=Decimal("10.00"), category=category),)
    basket = Basket(Decimal("10.00"), lines, ChannelId("POS-1"), redeem)
    program = built_in_program() if number % 4 == 0 else OLD
    ours = calculate(program, basket, Member(CustomerId("C"), tier), at)
    quote = SessionQuote(id=QuoteId(uuid4().hex), basket=basket, tier=tier, ours=ours)
    opened = datetime.now(UTC) if uploaded_late else at - timedelta(minutes=1)
    session = new_session(
        tier=tier,
        created_at=opened,
        expires_at=opened + timedelta(hours=24),
        occurred_at=at if uploaded_late else None,
    )
    quoted = session.quoted(quote, opened)
    intent = an_intent(quoted, quote)
    if not rewarded:
        return quoted.finalize_without_rewards(msgspec.structs.replace(intent, apply_rewards=False), opened)
    owed = quoted.begin_finalize(intent, Delivery(number=1, begun_at=opened, next_attempt_at=opened), opened)
    return owed.complete(HostReceipt(earned_points=ours.earned_points, new_balance=None), opened)


async def sell(url: str, sales: list[Session]) -> None:
    """Store `sales`, by the store that the service has."""
    settings = PostgresSettings(url=url, acquire_timeout=30.0, waiting=10_000)
    async with Connections(settings) as connections:
        store = PostgresSessions(connections, RowAddresses())
        for start in range(0, len(sales), 200):
            batch = sales[start : start + 200]
            await asyncio.gather(*(store.commit(unit(None, sale, Cause.HOST_ACCEPTED)) for sale in batch))


async def put_away(url: str, sales: list[Session]) -> None:
    """Move `sales` to the archive."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        await archive(operator, *sales)
