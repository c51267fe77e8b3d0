"""Every rule of a program is judged in every program, and a broken one is named at its place."""

import tomllib
from datetime import UTC, datetime, time
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

examples = st.sampled_from([program_from_toml(example_program_toml(name)) for name in example_programs()])

NOON, DAWN = time(12), time(6)
MONDAY, TUESDAY = datetime(2026, 3, 2), datetime(2026, 3, 3)  # noqa: DTZ001 - local to the program's zone

BROKEN_PROMOTIONS: list[tuple[dict[str, Any], str]] = [
    ({"id": "no spaces"}, ".id"),
    ({"name": " "}, ".name"),
    ({"name": "n" * 101}, ".name"),
    ({"name": "bell\x07"}, ".name"),
    ({"multiplier": Decimal("0.999")}, ".multiplier"),
    ({"multiplier": Decimal("1000.001")}, ".multiplier"),
    ({"multiplier": Decimal("1.0001")}, ".multiplier"),
    ({"points": 5}, ".points"),
    ({"per": "line"}, ".per"),
    ({"multiplier": None}, ""),
    ({"multiplier": None, "points": 5}, ".per"),
    ({"multiplier": None, "points": 0, "per": "line"}, ".points"),
    ({"multiplier": None, "points": 10**6 + 1, "per": "line"}, ".points"),
    ({"skus": ["A", "B", "A"]}, ".skus[2]"),
    ({"skus": ["A B"]}, ".skus[0]"),
    ({"categories": ["fresh", ""]}, ".categories[1]"),
    ({"minimum_quantity": Decimal("0.00001")}, ".minimum_quantity"),
    ({"minimum_quantity": Decimal(5 * 10**8 + 1)}, ".minimum_quantity"),
    ({"minimum_spend": Decimal(10) ** 10}, ".minimum_spend"),
    ({"tiers": ["Gold", "Gld"]}, ".tiers[1]"),
    ({"tiers": ["Gold", "Gold"]}, ".tiers[1]"),
    ({"channels": ["POS 1"]}, ".channels[0]"),
    ({"valid_from": TUESDAY, "valid_to": MONDAY}, ".valid_to"),
    ({"valid_from": MONDAY, "valid_to": MONDAY}, ".valid_to"),
    ({"valid_from": MONDAY.replace(tzinfo=UTC)}, ".valid_from"),
    ({"valid_to": MONDAY.replace(year=1969)}, ".valid_to"),
    ({"valid_from": MONDAY.replace(year=9999)}, ".valid_from"),
    ({"valid_from": MONDAY, "valid_to": TUESDAY, "days_of_week": ["wed"]}, ".valid_to"),
    ({"valid_from": MONDAY, "valid_to": TUESDAY, "days_of_week": ["mon"], "id": ""}, ".id"),
    (
        {"valid_from": MONDAY, "valid_to": MONDAY.replace(hour=1), "times_of_day": [{"start": DAWN, "end": NOON}]},
        ".valid_to",
    ),
    ({"days_of_week": ["mon", "mon"]}, ".days_of_week[1]"),
    ({"times_of_day": [{"start": NOON, "end": DAWN}, {"start": NOON, "end": NOON}]}, ".times_of_day[1].end"),
    ({"times_of_day": [{"start": NOON.replace(tzinfo=UTC), "end": DAWN}]}, ".times_of_day[0].start"),
    ({"times_of_day": [{"start": NOON, "end": DAWN}] * 25}, ".times_of_day"),
]  # fmt: skip


BROKEN_PROGRAMS: list[tuple[dict[str, Any], str]] = [
    ({"id": "-"}, "id"),
    ({"version": "two words"}, "version"),
    ({"currency": "EURO"}, "currency"),
    ({"minor_units": 5}, "minor_units"),
    ({"minor_units": -1}, "minor_units"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": ""}, "time_zone"),
    ({"time_zone": "/etc/passwd"}, "time_zone"),
    ({"points_per_unit": Decimal("1000.000001")}, "points_per_unit"),
    ({"points_per_unit": Decimal("0.0000001")}, "points_per_unit"),
    ({"minimum_spend": Decimal("-0.01")}, "minimum_spend"),
    ({"tiers": [{"name": "Gold", "bonus_percent": 1001}], "promotions": []}, "tiers[0].bonus_percent"),
    ({"tiers": [{"name": "", "bonus_percent": 1}], "promotions": []}, "tiers[0].name"),
    (
        {"tiers": [{"name": "Gold", "bonus_percent": 1}, {"name": "GOLD", "bonus_percent": 2}], "promotions": []},
        "tiers[1].name",
    ),
    ({"exclusions": {"skus": ["A", "A"]}}, "exclusions.skus[1]"),
    ({"exclusions": {"categories": ["gift card"]}}, "exclusions.categories[0]"),
    ({"caps": {"points_per_transaction": 0}, "promotions": []}, "caps.points_per_transaction"),
    ({"caps": {"points_per_promotion": 2**63}}, "caps.points_per_promotion"),
    ({"caps": {"points_per_promotion": 700, "points_per_transaction": 600}}, "caps.points_per_promotion"),
    ({"caps": {"promotions_per_transaction": 0}}, "caps.promotions_per_transaction"),
    ({"redemption": {"points_per_unit": 0}}, "redemption.points_per_unit"),
    ({"redemption": {"points_per_unit": 1, "minimum_points": 0}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1, "step": 0}}, "redemption.step"),
    ({"redemption": {"points_per_unit": 1, "minimum_points": 15, "step": 10}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1000, "minimum_points": 9}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1, "largest_share_percent": 0}}, "redemption.largest_share_percent"),
    ({"redemption": {"points_per_unit": 1, "largest_share_percent": 101}}, "redemption.largest_share_percent"),
    ({"promotions": [{"id": f"p{number}", "name": "P", "multiplier": 1} for number in range(1001)]}, "promotions"),
]


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
