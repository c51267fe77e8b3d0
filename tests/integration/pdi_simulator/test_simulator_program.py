"""PDI's arithmetic, against figures worked out by hand and against itself."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_adapters.pdi_simulator.messages import Rejection
from loyalty_adapters.pdi_simulator.program import Line, Program


def line(qty: str, price: str | None = None, category: str | None = None) -> Line:
    """A basket line from plain words."""
    return Line(Decimal(qty), None if price is None else Decimal(price), category)


@pytest.mark.parametrize(
    ("amount", "lines", "tier", "base", "bonus", "multiplier"),
    [
        ("150.00", [], "Gold", 300, 150, "3.0"),
        ("0", [], "Gold", 0, 0, "0.0"),
        ("10.75", [], "Silver", 21, 5, "2.419"),
        ("0.49", [], "Platinum", 0, 0, "0.0"),
        ("100", [], "Unobtainium", 200, 0, "2.0"),
        # Priced lines are scaled to the amount: a 10 % basket discount takes from both.
        ("90", [line("1", "50"), line("1", "50", "tobacco")], "Bronze", 90, 0, "1.0"),
        # Unpriced lines share by quantity what the priced ones leave: 100 - 40 = 60, a third of it excluded.
        ("100", [line("1", "40"), line("2"), line("1", None, "lottery")], "Bronze", 160, 0, "1.6"),
        # Priced lines beyond the amount leave the unpriced ones nothing.
        ("50", [line("1", "100"), line("5", None, "gift_card")], "Bronze", 100, 0, "2.0"),
        # No weight at all: quantity decides.
        ("30", [line("1", "0"), line("2", "0", "tobacco")], "Bronze", 20, 0, "0.667"),
        ("12.5", [line("3.459", "3.61", "tobacco")], "Gold", 0, 0, "0.0"),
    ],
)
def test_worked_examples(amount: str, lines: list[Line], tier: str, base: int, bonus: int, multiplier: str) -> None:
    """Base, bonus and the multiplier as PDI writes it."""
    quote = Program().quote(Decimal(amount), lines, tier, 0)
    assert (base, bonus, multiplier) == (quote.base, quote.tier_bonus, str(quote.multiplier))


def test_redemption_is_taken_off_before_anything_is_earned() -> None:
    """1,234 points pay 12.34 of 50.00; the other 37.66 earn; a rate that does not divide rounds down to the cent."""
    quote = Program().quote(Decimal(50), [], "Bronze", 1234)
    assert (Decimal("12.34"), 75) == (quote.discount, quote.base)
    assert Decimal("0.33") == Program(redeem_points_per_unit=300).quote(Decimal(50), [], "Bronze", 101).discount


def test_redeeming_more_than_the_basket_is_worth() -> None:
    """A definite no with both figures."""
    with pytest.raises(Rejection) as rejection:
        Program().quote(Decimal("9.99"), [], "Gold", 1000)
    assert rejection.value.code == "redemption_exceeds_amount"


money = st.decimals(0, 10**9, places=2)
lines = st.builds(
    Line,
    st.decimals("0.0001", 10**5, places=4),
    st.none() | st.decimals(0, 10**6, places=4),
    st.sampled_from([None, "dairy", "tobacco", "lottery"]),
)


@given(amount=money, basket=st.lists(lines, max_size=8))
def test_exclusion_only_ever_takes_away(amount: Decimal, basket: list[Line]) -> None:
    """Between nothing and what the whole amount would earn; all of it where no line is excluded."""
    base = Program().quote(amount, basket, "Bronze", 0).base
    whole = int(Fraction(amount) * 2)
    assert 0 <= base <= whole
    if not any(one.category in {"tobacco", "lottery"} for one in basket):
        assert whole == base


@given(amount=money, basket=st.lists(lines, min_size=1, max_size=8), factor=st.integers(2, 9))
def test_scaling_every_price_changes_nothing_where_all_are_priced(
    amount: Decimal, basket: list[Line], factor: int
) -> None:
    """Only the proportions of the priced lines count."""
    priced = [Line(one.qty, one.unit_price or Decimal(1), one.category) for one in basket]
    scaled = [Line(one.qty, (one.unit_price or Decimal(1)) * factor, one.category) for one in priced]
    program = Program()
    assert program.quote(amount, priced, "Gold", 0) == program.quote(amount, scaled, "Gold", 0)
