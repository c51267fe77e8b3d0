"""The documented example, and each step of the rules on a basket of its own."""

from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.program_parts import Caps
from loyalty_core.domain.rewards import PromotionAward, Quote, calculate
from tests.unit.rewards.sales import BRONZE, GOLD, TUESDAY_NOON, basket, line, program, times


def earned(quote: Quote) -> tuple[int, int, dict[str, int]]:
    return quote.base_points, quote.tier_bonus, {award.id: award.points for award in quote.promotions}


def test_documented_example() -> None:
    """Gold buys for 150.00 under the built-in program: base 300, tier bonus 150, earned 450, multiplier 3.0."""
    quote = calculate(built_in_program(), basket("150.00", line("SKU-001", "2")), GOLD, TUESDAY_NOON)
    assert (300, 150, {}) == earned(quote)
    assert (450, 150, 0) == (quote.earned_points, quote.bonus_points, quote.capped_points)
    assert "3.0" == str(quote.multiplier)
    assert ("built-in", "1", built_in_program().content_hash) == (
        quote.program_id,
        quote.program_version,
        quote.program_hash,
    )
    assert TUESDAY_NOON == quote.at
    assert not quote.unknown_tier
    assert quote.redemption is None


@pytest.mark.parametrize(("tier", "bonus"), [("Bronze", 0), ("Silver", 75), ("Gold", 150), ("Platinum", 300)])
def test_built_in_tiers(tier: str, bonus: int) -> None:
    """The built-in tiers add 0, 25, 50 and 100 per cent of the base."""
    quote = calculate(built_in_program(), basket("150.00"), Member(CustomerId("C"), tier), TUESDAY_NOON)
    assert (300, bonus) == (quote.base_points, quote.tier_bonus)


def test_unknown_tier_is_reported() -> None:
    """A tier that the program does not know earns the base rate and is reported; no tier at all is not."""
    unknown, none = (
        calculate(program(), basket("10"), Member(CustomerId("C"), tier), TUESDAY_NOON) for tier in ("gold", None)
    )
    assert (10, True) == (unknown.earned_points, unknown.unknown_tier)
    rich = calculate(program(), basket("1000000"), Member(CustomerId("C"), "gold"), TUESDAY_NOON)
    assert (1_000_000, 0) == (rich.base_points, rich.tier_bonus)
    assert (10, False) == (none.earned_points, none.unknown_tier)


def test_empty_basket_earns_nothing() -> None:
    """No lines and no amount earn nothing, fixed points included; no lines with an amount are one line."""
    offer = msgspec.structs.replace(times("all", "2"), multiplier=None, points=7, per="line")
    rules = program(offer)
    assert (0, 0, {}) == earned(calculate(rules, basket("0"), GOLD, TUESDAY_NOON))
    assert (3, 0, {"all": 7}) == earned(calculate(rules, basket("3"), BRONZE, TUESDAY_NOON))
    assert (0, 0, {"all": 14}) == earned(calculate(rules, basket("0", line(), line("B")), BRONZE, TUESDAY_NOON))


def test_base_is_floored_once() -> None:
    """Two lines of 0.99 earn 1 point together, not 0 and 0; the tier's bonus is a share of that whole base."""
    quote = calculate(program(), basket("1.98", line(price="0.99"), line("B", price="0.99")), GOLD, TUESDAY_NOON)
    assert (1, 0, {}) == earned(quote)


@pytest.mark.parametrize(
    ("amount", "lines", "base"),
    [
        ("30", (line("A", price="20"), line("T", price="10", category="tobacco")), 20),
        ("30", (line("A", price="20"), line("BAG", price="10")), 20),
        ("15", (line("A", price="20"), line("T", price="10", category="tobacco")), 10),
        ("60", (line("A", price="20"), line("T", price="10", category="tobacco")), 40),
        ("30", (line("A", price="20"), line("T", category="tobacco"), line("B")), 25),
        ("40", (line("A"), line("T", "3", category="tobacco")), 10),
        ("15", (line("A", price="30"), line("T", category="tobacco")), 15),
        ("40", (line("A", price="0"), line("T", "3", "0", "tobacco")), 10),
        ("20", (line("A", price="20"), line("T", category="tobacco")), 20),
    ],
    ids=["priced", "excluded sku", "discount", "tax", "unpriced share the rest", "by quantity", "prices exceed",
         "prices of nothing", "nothing left"],
)  # fmt: skip
def test_spread_over_lines(amount: str, lines: tuple[object, ...], base: int) -> None:
    """The gross amount goes to lines by cost, the rest to unpriced ones by quantity; what is excluded earns nothing."""
    assert base == calculate(program(), basket(amount, *lines), BRONZE, TUESDAY_NOON).base_points  # type: ignore[arg-type]  # parametrize knows no types


@pytest.mark.parametrize(("amount", "points"), [("9.99", 0), ("10.00", 10)])
def test_minimum_spend(amount: str, points: int) -> None:
    """Below the program's minimum of eligible spend nothing is earned; at the minimum everything is."""
    rules = program(minimum_spend=Decimal(10))
    lines = line("A", price=amount), line("T", price="5", category="tobacco")
    total = str(Decimal(amount) + 5)
    assert points == calculate(rules, basket(total, *lines), BRONZE, TUESDAY_NOON).earned_points


@pytest.mark.parametrize(
    ("cap", "expected"),
    [
        (None, (100, 50, {"first": 100, "second": 50})),
        (300, (100, 50, {"first": 100, "second": 50})),
        (299, (100, 50, {"first": 100, "second": 49})),
        (270, (100, 50, {"first": 100, "second": 20})),
        (250, (100, 50, {"first": 100})),
        (180, (100, 50, {"first": 30})),
        (120, (100, 20, {})),
        (60, (60, 0, {})),
    ],
)
def test_transaction_cap(cap: int | None, expected: tuple[int, int, dict[str, int]]) -> None:
    """The cap takes from the last promotion first, then from the others, the tier bonus and the base, and says so."""
    rules = program(times("first", "2"), times("second", "1.5"), stacking="sum", caps=Caps(cap))
    quote = calculate(rules, basket("100"), GOLD, TUESDAY_NOON)
    assert expected == earned(quote)
    assert 300 - (cap or 300) == quote.capped_points


@pytest.mark.parametrize(
    ("amount", "multiplier"),
    [("0", "0.0"), ("3.00", "1.0"), ("0.99", "0.0"), ("1.50", "0.667"), ("1.60", "0.625"), ("16.32", "0.98")],
)
def test_multiplier(amount: str, multiplier: str) -> None:
    """Points per currency unit, to three decimals, trailing zeros dropped but for one; 0.0 for a zero amount."""
    assert multiplier == str(calculate(program(), basket(amount), BRONZE, TUESDAY_NOON).multiplier)


def test_moment_needs_a_zone() -> None:
    """A moment without a time zone could mean any promotion's window, and is refused."""
    with pytest.raises(ValueError, match=r"^the time of a purchase must carry a time zone$"):
        calculate(program(), basket("1"), BRONZE, TUESDAY_NOON.replace(tzinfo=None))


def test_moment_is_kept_in_utc() -> None:
    """The quote says when it was, in UTC, however the moment was written."""
    vienna = TUESDAY_NOON.astimezone(ZoneInfo("Europe/Vienna"))
    quote = calculate(program(), basket("1"), BRONZE, vienna)
    assert "2026-03-03T12:00:00+00:00" == quote.at.isoformat()
    assert UTC is quote.at.tzinfo


def test_awards_are_named() -> None:
    """An award carries what a receipt prints."""
    (award,) = calculate(program(times("double", "2")), basket("5"), BRONZE, TUESDAY_NOON).promotions
    assert PromotionAward("double", "Double", 5) == award


def test_channel_decides_promotions() -> None:
    """A promotion for one channel pays there and nowhere else."""
    rules = program(times("kiosk", "2", channels=("KIOSK",)))
    for channel, points in ((ChannelId("KIOSK"), 20), (ChannelId("POS-1"), 10)):
        assert points == calculate(rules, Basket(Decimal(10), (), channel), BRONZE, TUESDAY_NOON).earned_points
