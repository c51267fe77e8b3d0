"""Every rule of a program is judged in every program, and a broken one is named at its place."""

import tomllib
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket, InvalidBasket
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_check import read_document
from loyalty_core.domain.program_examples import example_program_toml, example_programs
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_parts import Caps, Promotion, Tier
from loyalty_core.domain.program_toml import program_from_toml, program_to_toml
from loyalty_core.domain.rewards import calculate
from tests.properties.baskets import baskets, members, moments
from tests.properties.effort import effort
from tests.properties.programs import programs
from tests.unit.rewards.broken_rules import BROKEN_PROGRAMS, BROKEN_PROMOTIONS

examples = st.sampled_from([program_from_toml(example_program_toml(name)) for name in example_programs()])


def document_of_toml(program: RewardProgram) -> dict[str, Any]:
    return tomllib.loads(program_to_toml(program), parse_float=Decimal)


@effort(6)
@given(examples, st.sampled_from(BROKEN_PROMOTIONS))
def test_a_broken_promotion_is_named(program: RewardProgram, broken: tuple[dict[str, Any], str]) -> None:
    """One promotion that breaks one rule, after any others: one mistake, at that rule's field."""
    fields, field = broken
    document = document_of_toml(program)
    document.pop("exclusions", None)
    document.pop("caps", None)
    if "Gold" not in [tier.name for tier in program.tiers]:
        document["tiers"].append({"name": "Gold", "bonus_percent": 50})
    extra = {"id": "extra", "name": "Extra", "multiplier": Decimal(2), **fields}
    place = len(program.promotions)
    document.setdefault("promotions", []).append({key: value for key, value in extra.items() if value is not None})
    _, mistakes = read_document(document)
    assert [f"promotions[{place}]{field}"] == [mistake.path for mistake in mistakes]


@effort(6)
@given(examples, st.sampled_from(BROKEN_PROGRAMS))
def test_a_broken_rule_of_the_whole_is_named(program: RewardProgram, broken: tuple[dict[str, Any], str]) -> None:
    """A program that breaks one rule: that rule's field is among the mistakes, and the program cannot be made."""
    fields, path = broken
    draft, mistakes = read_document({**document_of_toml(program), **fields})
    assert path in [mistake.path for mistake in mistakes]
    with pytest.raises(InvalidProgram) as refused:
        RewardProgram(**{name: getattr(draft, name) for name in draft.__struct_fields__})
    assert mistakes == refused.value.mistakes


@given(examples, st.integers(1, 5))
def test_parts_that_contradict_each_other_are_named(program: RewardProgram, points: int) -> None:
    """A promotion that an exclusion or a cap makes idle, or whose id is taken, is named where it stands."""
    offer = Promotion("taken", "Offer", points=100 + points, per="line", skus=("GONE",))  # type: ignore[arg-type]  # a plain string, as decoded JSON would have
    document = {
        **document_of_toml(program),
        "promotions": [
            {"id": "taken", "name": "First", "multiplier": 2},
            {"id": offer.id, "name": offer.name, "points": offer.points, "per": "line", "skus": ["GONE"]},
        ],
        "exclusions": {"skus": ["GONE"]},
        "caps": {"points_per_promotion": 100, "points_per_transaction": 100},
    }
    _, mistakes = read_document(document)
    expected = ["promotions[1].points", "promotions[1].points", "promotions[1].skus[0]", "promotions[1].id"]
    assert expected == [mistake.path for mistake in mistakes]


@given(examples, st.integers(0, 1000))
def test_no_program_can_award_more_than_fits(program: RewardProgram, number: int) -> None:
    """A program whose promotions could together exceed 64 bits on some basket is refused."""
    generous = tuple(Promotion(f"p{place}", "P", multiplier=Decimal(1000)) for place in range(min(number, 1000)))
    changes = {
        "points_per_unit": Decimal(1000),
        "tiers": (Tier("Gold", Decimal(0)),),
        "caps": Caps(),
        "promotions": generous,
    }
    base = 10**13
    fits = base + number * 999 * base <= 2**63 - 1
    if fits:
        assert msgspec.structs.replace(program, **changes).promotions == generous
    else:
        with pytest.raises(InvalidProgram) as refused:
            msgspec.structs.replace(program, **changes)
        assert ["promotions"] == [mistake.path for mistake in refused.value.mistakes]


@given(programs(places=0), baskets(places=2), members(), moments())
def test_amounts_have_the_currencys_decimals(
    program: RewardProgram, basket: Basket, member: Member, at: datetime
) -> None:
    """An amount finer than the currency's smallest coin is refused by name; a moment without a zone is no moment."""
    plain = msgspec.structs.replace(basket, redeem_points=0)
    if plain.amount == plain.amount.to_integral_value():
        assert calculate(program, plain, member, at).earned_points >= 0
    else:
        with pytest.raises(InvalidBasket) as refused:
            calculate(program, plain, member, at)
        assert ("amount",) == refused.value.field_path
    with pytest.raises(ValueError, match="time zone"):
        calculate(program, plain, member, at.replace(tzinfo=None))
