"""Paying with points."""

from decimal import Decimal

import pytest

from loyalty_core.domain.program_parts import RedemptionRules
from loyalty_core.domain.redemption import Redemption, RedemptionRefused, RedemptionRule
from loyalty_core.domain.rewards import calculate
from tests.unit.rewards.sales import BRONZE, TUESDAY_NOON, basket, line, program, times

RULES = RedemptionRules(points_per_unit=150, minimum_points=300, step=100, largest_share_percent=Decimal(50))


@pytest.mark.parametrize(("points", "discount"), [(300, "2.00"), (400, "2.66"), (500, "3.33"), (700, "4.66")])
def test_discount_is_rounded_down(points: int, discount: str) -> None:
    """The discount is what the points buy, rounded down to cents; the points are spent whole."""
    quote = calculate(program(redemption=RULES), basket("10.00", redeem=points), BRONZE, TUESDAY_NOON)
    assert Redemption(points, Decimal(discount)) == quote.redemption
    assert int(Decimal(10) - Decimal(discount)) == quote.earned_points


def test_the_discounted_part_earns_nothing() -> None:
    """Half of everything is paid with points: every line earns on its other half, and counts by it towards minimums."""
    rules = RedemptionRules(points_per_unit=1, largest_share_percent=Decimal(100))
    offer = times("fruit", "2", skus=("FRUIT",), minimum_spend=Decimal(10))
    lines = line("FRUIT", price="20"), line("T", price="20", category="tobacco")
    shop = program(offer, redemption=rules, minimum_spend=Decimal(10))
    assert 20 == calculate(shop, basket("40", *lines, redeem=20), BRONZE, TUESDAY_NOON).earned_points
    assert 0 == calculate(shop, basket("40", *lines, redeem=21), BRONZE, TUESDAY_NOON).earned_points


@pytest.mark.parametrize(
    ("amount", "points", "rule", "message"),
    [
        ("10", 299, RedemptionRule.MINIMUM, "at least 300 points must be redeemed"),
        ("10", 350, RedemptionRule.STEP, "points are redeemed in multiples of 100"),
        (
            "10",
            800,
            RedemptionRule.LARGEST_SHARE,
            "points may pay at most 5.00 EUR of this basket, not 5.33",
        ),
        (
            "0",
            300,
            RedemptionRule.LARGEST_SHARE,
            "points may pay at most 0.00 EUR of this basket, not 2.00",
        ),
    ],
)
def test_refusals(amount: str, points: int, rule: RedemptionRule, message: str) -> None:
    """Points that break a rule are refused, with what the rule is."""
    with pytest.raises(RedemptionRefused) as refused:
        calculate(program(redemption=RULES), basket(amount, redeem=points), BRONZE, TUESDAY_NOON)
    assert (rule, message, "validation_failed") == (refused.value.rule, str(refused.value), refused.value.code)


def test_largest_share_may_be_used_up() -> None:
    """Exactly the largest share is within it; a share that ends in half a cent is rounded down."""
    rules = RedemptionRules(points_per_unit=100, largest_share_percent=Decimal(50))
    quote = calculate(program(redemption=rules), basket("10.01", redeem=500), BRONZE, TUESDAY_NOON)
    assert Redemption(500, Decimal("5.00")) == quote.redemption
    with pytest.raises(RedemptionRefused, match=r"at most 5\.00 EUR"):
        calculate(program(redemption=rules), basket("10.01", redeem=501), BRONZE, TUESDAY_NOON)


def test_a_program_without_redemption() -> None:
    """A program that says nothing of redemption takes no points."""
    with pytest.raises(RedemptionRefused, match=r"^this program does not take points as payment$") as refused:
        calculate(program(), basket("10", redeem=1), BRONZE, TUESDAY_NOON)
    assert RedemptionRule.NOT_OFFERED is refused.value.rule


def test_currency_without_cents() -> None:
    """In yen, 1,050 points at 100 for one buy ten yen."""
    yen = program(currency="JPY", minor_units=0, redemption=RedemptionRules(points_per_unit=100, minimum_points=100))
    quote = calculate(yen, basket("20", redeem=1050), BRONZE, TUESDAY_NOON)
    assert "10" == str(quote.redemption.discount if quote.redemption else None)
    assert 10 == quote.earned_points
