"""Which promotions pay, and how much."""

from decimal import Decimal
from typing import Any

import pytest

from loyalty_core.domain.program_parts import Caps, Per, Promotion, Stacking
from loyalty_core.domain.rewards import calculate
from tests.unit.rewards.sales import BRONZE, GOLD, TUESDAY_NOON, basket, line, program, times


def points(name: str, number: int, per: Per, **conditions: Any) -> Promotion:
    return Promotion(name, name.title(), points=number, per=per, **conditions)


def paid(amount: str, *lines: Any, rules: Any, member: Any = BRONZE) -> dict[str, int]:
    quote = calculate(rules, basket(amount, *lines), member, TUESDAY_NOON)
    return {award.id: award.points for award in quote.promotions}


FRUIT, BREAD = line("FRUIT", "2", "5", "fruit"), line("BREAD", "1", "10", "bakery")


def test_best_gives_each_line_to_its_best() -> None:
    """Under `best` each line counts for the one promotion that yields most on it."""
    rules = program(times("all", "2"), times("fruit", "3", categories=("fruit",)))
    assert {"all": 10, "fruit": 20} == paid("20", FRUIT, BREAD, rules=rules)


def test_sum_gives_each_line_to_all() -> None:
    """Under `sum` a line counts for every promotion that it matches."""
    rules = program(times("all", "2"), times("fruit", "3", categories=("fruit",)), stacking=Stacking.SUM)
    assert {"all": 20, "fruit": 20} == paid("20", FRUIT, BREAD, rules=rules)


@pytest.mark.parametrize("stacking", list(Stacking))
def test_points_per_basket_need_a_line(stacking: Stacking) -> None:
    """Points per basket are paid only where some eligible line matches, whatever their minimum."""
    gift = points("gift", 50, Per.BASKET, categories=("toys",))
    large = points("large", 60, Per.BASKET, categories=("toys",), minimum_spend=Decimal(5))
    assert {} == paid("20", FRUIT, BREAD, rules=program(gift, stacking=stacking))
    assert {} == paid("20", FRUIT, BREAD, rules=program(large, gift, stacking=stacking))


@pytest.mark.parametrize("stacking", list(Stacking))
def test_awards_are_in_program_order(stacking: Stacking) -> None:
    """A quote lists promotions as the program does, not by what they pay."""
    offers = (
        points("small", 1, Per.BASKET),
        times("fruit", "2", categories=("fruit",)),
        points("large", 9, Per.BASKET),
        times("bread", "3", categories=("bakery",)),
    )
    expected = ["small", "fruit", "large", "bread"]
    assert expected == list(paid("20", FRUIT, BREAD, rules=program(*offers, stacking=stacking)))


def test_promotions_of_one_sku() -> None:
    """Several promotions may name the same SKU, and each finds it."""
    offers = times("a", "2", skus=("FRUIT",)), times("b", "3", skus=("FRUIT",)), times("c", "4", skus=("FRUIT", "X"))
    assert {"a": 10, "b": 20, "c": 30} == paid("10", FRUIT, rules=program(*offers, stacking=Stacking.SUM))


def test_kinds_of_fixed_points() -> None:
    """Per unit counts quantities, per line lines, per basket once; broken units are floored once, in the end."""
    fuel = line("FUEL", "3.4590", "4", "fuel")
    rules = program(
        points("unit", 5, Per.UNIT, categories=("fuel",)),
        points("line", 3, Per.LINE),
        points("basket", 50, Per.BASKET),
        stacking=Stacking.SUM,
    )
    assert {"unit": 17, "line": 6, "basket": 50} == paid("20", fuel, BREAD, rules=rules)


@pytest.mark.parametrize("stacking", list(Stacking))
@pytest.mark.parametrize(("quantity", "expected"), [("0.1999", {}), ("0.2", {"unit": 1})])
def test_not_quite_a_point(quantity: str, expected: dict[str, int], stacking: Stacking) -> None:
    """At 5 points a unit, 0.1999 of one is none, and a fifth is one."""
    rules = program(points("unit", 5, Per.UNIT), stacking=stacking)
    assert expected == paid("1", line("FUEL", quantity), rules=rules)


def test_fixed_points_compete_with_multipliers() -> None:
    """On a line of two units at 5 each, 6 points a unit beat a doubled base of 10, which beats 9 points a line."""
    double, unit, whole = times("double", "2"), points("unit", 6, Per.UNIT), points("line", 9, Per.LINE)
    assert {"unit": 12} == paid("10", FRUIT, rules=program(double, unit, whole))
    assert {"double": 10} == paid("10", FRUIT, rules=program(whole, double))


@pytest.mark.parametrize("reverse", [False, True])
def test_ties_go_by_program_order(reverse: bool) -> None:
    """Promotions of equal worth on a line: the first in the program has it, whatever its kind."""
    offers = [times("double", "2"), points("unit", 5, Per.UNIT), points("line", 10, Per.LINE), times("again", "2")]
    if reverse:
        offers.reverse()
    assert {offers[0].id: 10} == paid("10", FRUIT, rules=program(*offers))


def test_rewards_per_basket_do_not_compete() -> None:
    """Under `best` points per basket are paid beside the best of each line."""
    rules = program(points("basket", 1, Per.BASKET), times("double", "2"))
    assert {"basket": 1, "double": 20} == paid("20", FRUIT, BREAD, rules=rules)


def test_best_is_floored_once_and_shared_out() -> None:
    """Yields of 0.75 and 0.75 are 1 point, for the larger remainder and then the first; under `sum` they are none."""
    lines = line("A", price="0.75", category="a"), line("B", price="0.75", category="b")
    offers = times("a", "2", categories=("a",)), times("b", "2", categories=("b",))
    assert {"a": 1} == paid("1.50", *lines, rules=program(*offers))
    assert {} == paid("1.50", *lines, rules=program(*offers, stacking=Stacking.SUM))
    uneven = line("A", price="0.70", category="a"), line("B", price="0.75", category="b")
    assert {"b": 1} == paid("1.45", *uneven, rules=program(*offers))


def test_exclusive_pays_alone_if_worth_more() -> None:
    """An exclusive promotion pays alone where it is worth more than all others together, and not at all elsewhere."""
    others = times("double", "2"), points("basket", 5, Per.BASKET)
    rules = program(*others, times("alone", "2.3", exclusive=True))
    assert {"alone": 26} == paid("20", FRUIT, BREAD, rules=rules)
    rules = program(*others, times("alone", "2.2", exclusive=True))
    assert {"double": 20, "basket": 5} == paid("20", FRUIT, BREAD, rules=rules)


@pytest.mark.parametrize("first", ["together", "alone"])
def test_equal_alternatives_go_by_program_order(first: str) -> None:
    """Of alternatives worth the same, that with the earlier paying promotion is taken."""
    offers = [times("together", "2"), times("alone", "2", exclusive=True), times("other", "2", exclusive=True)]
    if first == "alone":
        offers = offers[1:] + offers[:1]
    assert {first: 20} == paid("20", FRUIT, BREAD, rules=program(*offers))


def test_of_two_exclusives_the_larger() -> None:
    """Exclusive promotions do not pay together."""
    rules = program(times("small", "2", exclusive=True), times("large", "3", exclusive=True))
    assert {"large": 40} == paid("20", FRUIT, BREAD, rules=rules)


def test_cap_per_promotion() -> None:
    """Each promotion pays at most the cap, and a line is not given to another because of it."""
    offers = times("double", "2"), times("triple", "3")
    caps = Caps(points_per_promotion=15)
    assert {"triple": 15} == paid("20", FRUIT, BREAD, rules=program(*offers, caps=caps))
    added = program(*offers, caps=caps, stacking=Stacking.SUM)
    assert {"double": 15, "triple": 15} == paid("20", FRUIT, BREAD, rules=added)


def test_cap_on_the_number() -> None:
    """The highest-yielding promotions are kept, judged by what their caps leave; ties by program order."""
    offers = (
        points("five", 5, Per.BASKET),
        points("six", 6, Per.BASKET),
        points("other-six", 6, Per.BASKET),
        times("double", "2"),
    )
    caps = Caps(promotions_per_transaction=2)
    assert {"six": 6, "double": 20} == paid("20", FRUIT, BREAD, rules=program(*offers, caps=caps))
    capped = Caps(points_per_promotion=6, promotions_per_transaction=2)
    assert {"six": 6, "other-six": 6} == paid("20", FRUIT, BREAD, rules=program(*offers, caps=capped))


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({"skus": ("FRUIT",)}, 10),
        ({"categories": ("fruit", "bakery")}, 20),
        ({"skus": ("FRUIT",), "categories": ("bakery",)}, None),
        ({"minimum_quantity": Decimal(3)}, 20),
        ({"minimum_quantity": Decimal("3.0001")}, None),
        ({"minimum_quantity": Decimal(3), "categories": ("fruit",)}, None),
        ({"minimum_spend": Decimal(20)}, 20),
        ({"minimum_spend": Decimal("20.01")}, None),
        ({"minimum_spend": Decimal(10), "categories": ("fruit",)}, 10),
        ({"tiers": ("Gold", "Bronze")}, 20),
        ({"tiers": ("Gold",)}, None),
        ({"channels": ("POS-1",)}, 20),
        ({"channels": ("POS-2",)}, None),
    ],
)
def test_conditions(conditions: dict[str, Any], matches: int | None) -> None:
    """All conditions must hold; minimums count matching eligible lines, and are reached where they are met exactly."""
    tobacco = line("T", "9", "100", "tobacco")
    expected = {} if matches is None else {"offer": matches}
    assert expected == paid("920", FRUIT, BREAD, tobacco, rules=program(times("offer", "2", **conditions)))


@pytest.mark.parametrize("stacking", list(Stacking))
def test_a_line_without_a_category_has_none(stacking: Stacking) -> None:
    """A promotion on categories, or on SKUs and categories, passes by a line that has no category."""
    offers = times("hot", "2", categories=("hot",)), times("tea", "2", skus=("TEA",), categories=("hot",))
    assert {} == paid("10", line("TEA", price="10"), rules=program(*offers, stacking=stacking))
    plain = times("plain", "2", skus=("TEA",))
    assert {"plain": 10} == paid("10", line("TEA", price="10"), rules=program(*offers, plain, stacking=stacking))


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        (times("smaller", "1.2"), times("larger", "1.5")),
        (times("smaller", "2"), times("larger", "2.001")),
        (points("smaller", 1, Per.UNIT), points("larger", 2, Per.UNIT)),
        (points("smaller", 1, Per.LINE), points("larger", 2, Per.LINE)),
    ],
)
def test_the_larger_of_a_kind(smaller: Promotion, larger: Promotion) -> None:
    """Of two rewards of one kind a line has the larger, wherever it stands in the program."""
    for offers in ((smaller, larger), (larger, smaller)):
        assert ["larger"] == list(paid("1000", line("A", "1", "1000"), rules=program(*offers)))


def test_member_without_a_tier_has_no_tier_offers() -> None:
    """A promotion for Gold pays for Gold, not for a member whose tier is not known."""
    rules = program(times("gold", "2", tiers=("Gold",)))
    assert {"gold": 10} == paid("10", FRUIT, rules=rules, member=GOLD)
    nobody = type(GOLD)(GOLD.customer_id)
    assert {} == paid("10", FRUIT, rules=rules, member=nobody)


def test_more_promotions_than_machine_words() -> None:
    """A thousand promotions are as right as one: each of a thousand lines' categories would find its own."""
    offers = [times(f"offer-{number}", "2", categories=(f"c{number}",)) for number in range(1000)]
    lines = [line(f"S{number}", price="1", category=f"c{number}") for number in range(0, 1000, 2)]
    expected = {f"offer-{number}": 1 for number in range(0, 1000, 2)}
    for stacking in Stacking:
        assert expected == paid("500", *lines, rules=program(*offers, stacking=stacking))
