"""The fast calculation against the slow, obviously right one."""

import tomllib
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_toml import program_to_toml
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.rewards import calculate
from tests.properties.baskets import baskets, members, moments
from tests.properties.effort import PROFILE
from tests.properties.programs import programs
from tests.reference.calculator import Line, NotRedeemable, Result, reference_points

SALES: Final = 20
"""Per generated program: 2,000 cases in the quick profile and 102,400 at 5,120 programs in the long one."""
PROGRAMS: Final = {"quick": 100, "long": 5_120}


def by_hand(program: dict[str, Any], basket: Basket, member: Member, at: datetime) -> Result | None:
    """The reference's result, or None where it takes no such redemption."""
    lines = [
        Line(
            line.sku,
            line.category,
            Fraction(line.quantity),
            None if line.unit_price is None else Fraction(line.unit_price),
        )
        for line in basket.lines
    ]
    try:
        return reference_points(
            program,
            amount=Fraction(basket.amount),
            lines=lines,
            channel=basket.channel,
            tier=member.tier,
            redeem=basket.redeem_points,
            at=at,
        )
    except NotRedeemable:
        return None


@settings(max_examples=PROGRAMS[PROFILE])
@given(programs(), st.lists(st.tuples(baskets(), members(), moments()), min_size=SALES, max_size=SALES))
def test_agrees_with_the_reference(program: RewardProgram, sales: list[tuple[Basket, Member, datetime]]) -> None:
    """For any program and basket, both give the same base, tier bonus, promotions, cap and discount, or both refuse."""
    plain = tomllib.loads(program_to_toml(program), parse_float=Fraction)
    for basket, member, at in sales:
        expected = by_hand(plain, basket, member, at)
        try:
            quote = calculate(program, basket, member, at)
        except RedemptionRefused:
            assert expected is None
            continue
        assert expected is not None
        assert expected.base == quote.base_points
        assert expected.tier == quote.tier_bonus
        assert list(expected.promotions.items()) == [(award.id, award.points) for award in quote.promotions]
        assert expected.capped == quote.capped_points
        discount = Decimal(0) if quote.redemption is None else quote.redemption.discount
        assert expected.discount == Fraction(discount)
