"""What a quote says about its lines and promotions."""

from decimal import Decimal
from typing import Any

from loyalty_core.domain.explanation import Explanation, LinePromotion, explain
from loyalty_core.domain.explanation_outcomes import Outcome, PromotionExplanation
from loyalty_core.domain.program_parts import Caps, Day, Per, Promotion, RedemptionRules, Stacking
from loyalty_core.domain.rewards_spread import ExclusionReason
from tests.unit.rewards.sales import BRONZE, GOLD, TUESDAY_NOON, basket, line, program, times

LINES = (
    line("FRUIT", "2", "5", "fruit"),
    line("BAG", price="1"),
    line("SMOKE", price="9", category="tobacco"),
    line("BREAD", price="10", category="bakery"),
)


def explained(*promotions: Promotion, redeem: int = 0, member: Any = GOLD, **changes: Any) -> Explanation:
    return explain(program(*promotions, **changes), basket("30", *LINES, redeem=redeem), member, TUESDAY_NOON)


def outcomes(why: Explanation) -> dict[str, str]:
    return {each.id: each.outcome.value for each in why.promotions}


def test_lines() -> None:
    """Each line shows what it carries, why it earns nothing, or what it earns from where."""
    why = explained(times("fruit", "3", categories=("fruit",)))
    assert [Decimal(10), Decimal(1), Decimal(9), Decimal(10)] == [each.spend for each in why.lines]
    assert ["10.00", "1.00", "9.00", "10.00"] == [str(each.spend) for each in why.lines]
    assert [0, 1, 2, 3] == [each.position for each in why.lines]
    assert ["FRUIT", "BAG", "SMOKE", "BREAD"] == [each.sku for each in why.lines]
    assert [Decimal(2), Decimal(1), Decimal(1), Decimal(1)] == [each.quantity for each in why.lines]
    assert [None, ExclusionReason.SKU, ExclusionReason.CATEGORY, None] == [each.exclusion for each in why.lines]
    assert [10, 0, 0, 10] == [each.base_points for each in why.lines]
    assert [5, 0, 0, 5] == [each.tier_bonus for each in why.lines]
    assert [(LinePromotion("fruit", 20),), (), (), ()] == [each.promotions for each in why.lines]
    assert [35, 0, 0, 15] == [each.earned_points for each in why.lines]
    assert "20.00" == str(why.eligible_spend)
    assert not why.below_minimum


def test_cents_and_points_go_to_the_largest_remainders() -> None:
    """10.00 over three equal lines is 3.34, 3.33, 3.33: ties by SKU, then by position; points likewise."""
    lines = line("C"), line("A"), line("B"), line("A")
    why = explain(program(), basket("10", *lines), BRONZE, TUESDAY_NOON)
    assert ["2.50"] * 4 == [str(each.spend) for each in why.lines]
    assert [2, 3, 2, 3] == [each.base_points for each in why.lines]
    why = explain(program(), basket("10.01", *lines[:3]), BRONZE, TUESDAY_NOON)
    assert ["3.33", "3.34", "3.34"] == [str(each.spend) for each in why.lines]
    assert [3, 4, 3] == [each.base_points for each in why.lines]


def test_discount_by_line() -> None:
    """What points pay is taken off all lines, excluded ones too, and eligible spend is what is left."""
    why = explained(redeem=3, redemption=RedemptionRules(points_per_unit=1))
    assert ["1.00", "0.10", "0.90", "1.00"] == [str(each.discount) for each in why.lines]
    assert "18.00" == str(why.eligible_spend)
    assert 18 == why.quote.base_points


def test_what_the_transaction_cap_took() -> None:
    """What the cap cut is shown by line, ties by SKU, and by promotion."""
    why = explained(times("double", "2"), times("fruit", "3", skus=("FRUIT",)), caps=Caps(35), stacking=Stacking.SUM)
    assert (20, 10, 5, 35) == (
        why.quote.base_points,
        why.quote.tier_bonus,
        why.quote.promotions[0].points,
        why.quote.capped_points,
    )
    assert [27, 0, 0, 8] == [each.capped_points for each in why.lines]
    assert (
        PromotionExplanation(
            "double", "Double", Outcome.PAID, points=5, uncapped_points=20, taken_by_transaction_cap=15
        ),
        PromotionExplanation(
            "fruit", "Fruit", Outcome.TRANSACTION_CAP, uncapped_points=20, taken_by_transaction_cap=20
        ),
    ) == why.promotions


def test_what_the_transaction_cap_takes_from_base_and_tier() -> None:
    """A cap below the base cuts the tier bonus whole and the base in part, line by line."""
    why = explained(caps=Caps(15))
    assert [7, 0, 0, 8] == [each.base_points for each in why.lines]
    assert [0, 0, 0, 0] == [each.tier_bonus for each in why.lines]
    assert 15 == sum(each.capped_points for each in why.lines)


def test_what_other_caps_took() -> None:
    """The cap per promotion and that on their number are told apart."""
    why = explained(
        times("double", "2"), times("triple", "3"), stacking=Stacking.SUM,
        caps=Caps(points_per_promotion=15, promotions_per_transaction=1),
    )  # fmt: skip
    assert (
        PromotionExplanation("double", "Double", Outcome.PAID, 15, 20, taken_by_promotion_cap=5),
        PromotionExplanation(
            "triple", "Triple", Outcome.TOO_MANY, 0, 40, taken_by_promotion_cap=25, taken_by_number_cap=15
        ),
    ) == why.promotions


def test_points_per_basket_by_line() -> None:
    """Points per basket go to matching lines by what they cost; where they cost nothing, by quantity."""
    offer = Promotion("gift", "Gift", points=10, per=Per.BASKET)
    assert [5, 0, 0, 5] == [sum(share.points for share in each.promotions) for each in explained(offer).lines]
    free = explain(program(offer), basket("0", line("A", "3"), line("B", "1")), BRONZE, TUESDAY_NOON)
    assert [8, 2] == [each.earned_points for each in free.lines]


def test_unnamed_line() -> None:
    """A basket without lines is explained as one line without a name; an empty one has none."""
    (only,) = explain(program(), basket("3.50"), BRONZE, TUESDAY_NOON).lines
    assert ("", Decimal("3.50"), 3, Decimal(1)) == (only.sku, only.spend, only.earned_points, only.quantity)
    assert () == explain(program(), basket("0"), BRONZE, TUESDAY_NOON).lines


def test_why_promotions_do_not_pay() -> None:
    """Each promotion that pays nothing says why."""
    why = explained(
        times("gold", "2", tiers=("Gold",)),
        times("kiosk", "2", channels=("KIOSK",)),
        times("friday", "2", days_of_week=(Day.FRI,)),
        times("smoke", "2", skus=("SMOKE",)),
        times("bulk", "2", minimum_quantity=Decimal(100)),
        times("double", "2"),
        times("alone", "1.5", exclusive=True),
        times("less", "1.9", categories=("fruit",)),
        times("nothing", "1"),
        Promotion("crumb", "Crumb", multiplier=Decimal("1.001"), skus=("BREAD",)),
        member=BRONZE,
    )
    assert {
        "gold": "other_tier",
        "kiosk": "other_channel",
        "friday": "not_now",
        "smoke": "no_line",
        "bulk": "minimum",
        "double": "paid",
        "alone": "exclusive",
        "less": "outbid",
        "nothing": "outbid",
        "crumb": "outbid",
    } == outcomes(why)


def test_too_small_to_pay() -> None:
    """A promotion whose yield is below one point says so."""
    for crumb in (times("crumb", "1.001"), times("crumb", "1")):
        assert {"crumb": "too_small"} == outcomes(explained(crumb, stacking=Stacking.SUM))
        assert {"crumb": "too_small"} == outcomes(explained(crumb, stacking=Stacking.BEST))


def test_the_conditions_that_do_hold_are_not_blamed() -> None:
    """A promotion for the member's tier and this channel that fails for another reason says that reason."""
    why = explained(
        times("here", "3", tiers=("Gold",), channels=("POS-1",), minimum_quantity=Decimal(99)),
        times("smoke", "5", skus=("SMOKE",)),
        times("double", "4"),
    )
    assert {"here": "minimum", "smoke": "no_line", "double": "paid"} == outcomes(why)
    assert ["Here", "Smoke", "Double"] == [each.name for each in why.promotions]


def test_the_largest_reward_may_be_outbid() -> None:
    """A large multiplier on cheap goods loses to fixed points, though it is the largest number in the program."""
    fixed = Promotion("fixed", "Fixed", points=5, per=Per.LINE)
    why = explained(times("large", "50"), fixed, points_per_unit=Decimal("0.01"))
    assert {"large": "outbid", "fixed": "paid"} == outcomes(why)


def test_ties_of_every_figure_go_by_sku() -> None:
    """Of two lines that are alike, the one whose SKU comes first has the odd cent and the odd point."""
    lines = line("B"), line("A")
    offer = Promotion("gift", "Gift", points=7, per=Per.BASKET)
    shop = program(offer, times("more", "1.4"), redemption=RedemptionRules(points_per_unit=100))
    why = explain(shop, basket("10.01", *lines, redeem=101), GOLD, TUESDAY_NOON)
    second, first = why.lines
    assert (Decimal("5.00"), Decimal("5.01")) == (second.spend, first.spend)
    assert (Decimal("0.50"), Decimal("0.51")) == (second.discount, first.discount)
    assert (4, 5) == (second.base_points, first.base_points)
    assert (2, 2) == (second.tier_bonus, first.tier_bonus)
    assert (LinePromotion("gift", 3), LinePromotion("more", 1)) == second.promotions
    assert (LinePromotion("gift", 4), LinePromotion("more", 2)) == first.promotions
    odd_bonus = explain(program(), basket("6", *lines), GOLD, TUESDAY_NOON).lines
    assert [1, 2] == [each.tier_bonus for each in odd_bonus]


def test_the_smallest_lines_share_fairly() -> None:
    """Lines of a ten-thousandth unit at a millionth a unit weigh 1; what is excluded beside them still has nothing."""
    tiny = line("A", "0.0001", "0.000001"), line("BAG", "0.0001", "0.000001"), line("C", "0.0001", "0.000001")
    gift = Promotion("gift", "Gift", points=100, per=Per.BASKET, skus=("A",))
    why = explain(program(gift), basket("30", *tiny), GOLD, TUESDAY_NOON)
    assert [Decimal(10)] * 3 == [each.spend for each in why.lines]
    assert [10, 0, 10] == [each.base_points for each in why.lines]
    assert [115, 0, 15] == [each.earned_points for each in why.lines]


def test_eligible_spend_is_rounded_down() -> None:
    """Two thirds of 10.00 are shown as 6.66; the points come from the exact spend."""
    lines = line("A"), line("BAG"), line("C")
    why = explain(program(points_per_unit=Decimal(3)), basket("10.00", *lines), BRONZE, TUESDAY_NOON)
    assert "6.66" == str(why.eligible_spend)
    assert 20 == why.quote.base_points


def test_below_the_minimum_of_the_program() -> None:
    """Below the program's minimum nothing is earned, and the promotions that would have paid say so."""
    why = explained(times("double", "2"), times("friday", "2", days_of_week=(Day.FRI,)), minimum_spend=Decimal("20.01"))
    assert why.below_minimum
    assert 0 == why.quote.earned_points
    assert {"double": "program_minimum", "friday": "not_now"} == outcomes(why)
