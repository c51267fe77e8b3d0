"""The laws about lines: what is attributed to them, what excluding one does, and what splitting a basket does."""

from datetime import datetime
from decimal import Decimal

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.explanation import Explanation, explain, lines_of
from loyalty_core.domain.explanation_outcomes import Outcome
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.rewards import calculate
from loyalty_core.domain.rewards_decision import decide
from tests.properties.baskets import baskets, consistent_baskets, members, moments
from tests.properties.programs import programs


def explained(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Explanation | None:
    """The explanation, or None where the program does not take the points offered."""
    try:
        return explain(program, basket, member, at)
    except RedemptionRefused:
        assert basket.redeem_points
        return None


@given(programs(), baskets(), members(), moments())
def test_lines_sum_to_the_total(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Laws 1 and 13: the explanation carries the very quote, and over its lines each figure sums to the quote's.

    The lines are the same where they alone are asked for.
    """
    why = explained(program, basket, member, at)
    if why is None:
        return
    quote = why.quote
    assert why.lines == lines_of(decide(program, basket, member, at), program, basket)
    assert calculate(program, basket, member, at) == quote
    assert basket.amount == sum(line.spend for line in why.lines)
    assert (quote.redemption.discount if quote.redemption else 0) == sum(line.discount for line in why.lines)
    assert quote.base_points == sum(line.base_points for line in why.lines)
    assert quote.tier_bonus == sum(line.tier_bonus for line in why.lines)
    assert quote.capped_points == sum(line.capped_points for line in why.lines)
    assert quote.earned_points == sum(line.earned_points for line in why.lines)
    for award in quote.promotions:
        shares = [share for line in why.lines for share in line.promotions if share.id == award.id]
        assert award.points == sum(share.points for share in shares)


@given(programs(), baskets(), members(), moments())
def test_excluded_lines_have_nothing(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """A line has a reason for its exclusion if the program excludes it, and then no points; no figure is negative."""
    why = explained(program, basket, member, at)
    if why is None:
        return
    for line, sold in zip(why.lines, basket.lines, strict=bool(basket.lines)):
        excluded = sold.sku in program.exclusions.skus or sold.category in program.exclusions.categories
        assert excluded == (line.exclusion is not None)
        if excluded:
            assert (0, 0) == (line.earned_points, line.capped_points)
    figures = [
        figure for line in why.lines for figure in (line.spend, line.discount, line.base_points, line.tier_bonus)
    ]
    assert all(figure >= 0 for figure in figures)
    assert all(share.points > 0 for line in why.lines for share in line.promotions)


@given(programs(), baskets(), members(), moments())
def test_every_promotion_is_accounted_for(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Each promotion of the program is explained: what it pays and what caps took sum to its uncapped yield."""
    why = explained(program, basket, member, at)
    if why is None:
        return
    assert [promotion.id for promotion in program.promotions] == [each.id for each in why.promotions]
    assert {award.id: award.points for award in why.quote.promotions} == {
        each.id: each.points for each in why.promotions if each.outcome is Outcome.PAID
    }
    for each in why.promotions:
        taken = each.taken_by_promotion_cap + each.taken_by_number_cap + each.taken_by_transaction_cap
        assert each.uncapped_points == each.points + taken
        assert (each.outcome is Outcome.PAID) == (each.points > 0)
    if why.below_minimum:
        assert why.quote.earned_points == 0
        assert why.eligible_spend < program.minimum_spend


@given(programs(excluding=True), consistent_baskets(), members(), moments(), st.data())
def test_an_excluded_line_changes_no_other(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, data: st.DataObject
) -> None:
    """Law 6: a line that is excluded leaves all others with the points that they have without it.

    Where prices sum to the amount or unpriced lines take the rest, without redemption, beside at least one other line.
    """
    excluded = [
        *(BasketLine(sku, Decimal(1), Decimal("7.77")) for sku in program.exclusions.skus),
        *(BasketLine("OTHER", Decimal(2), Decimal("3.33"), category) for category in program.exclusions.categories),
    ]
    line = data.draw(st.sampled_from(excluded))
    place = data.draw(st.integers(0, len(basket.lines)))
    cost = line.quantity * (line.unit_price or 0)
    longer = Basket(basket.amount + cost, (*basket.lines[:place], line, *basket.lines[place:]), basket.channel)
    expected = explain(program, basket, member, at)
    actual = explain(program, longer, member, at)
    others = (*actual.lines[:place], *actual.lines[place + 1 :])
    assert expected.lines == tuple(
        msgspec.structs.replace(other, position=position) for position, other in enumerate(others)
    )


@given(
    programs(fixed=False, exclusive=False, capped=False),
    consistent_baskets(),
    members(),
    moments(),
    st.integers(1, 3),
    st.data(),
)
def test_splitting_never_earns_more(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, factor: int, data: st.DataObject
) -> None:
    """Law 7: bought in parts, a basket earns no more than bought whole.

    Each part carries the spend that the whole attributed to it; no exclusive promotions, no caps, no fixed points, no
    redemption.
    """
    unpriced = sum(line.unit_price is None for line in basket.lines)
    assume(unpriced < 2)  # so that every line carries whole cents, and a part can carry the same
    whole = basket if unpriced else msgspec.structs.replace(basket, amount=basket.amount * factor)
    carried = [line.spend for line in explain(program, whole, member, at).lines]
    parts: list[list[tuple[BasketLine, Decimal]]] = [[], []]
    for line, spend in zip(whole.lines, carried, strict=True):
        first = data.draw(st.integers(0, int(line.quantity)))
        for part, units in zip(parts, (first, int(line.quantity) - first), strict=True):
            if units:
                part.append((msgspec.structs.replace(line, quantity=Decimal(units)), spend * units / line.quantity))
    amounts = [sum((spend for _, spend in part), Decimal(0)) for part in parts]
    assume(all(amount == amount.quantize(Decimal("0.01")) for amount in amounts))
    earned = sum(
        calculate(program, Basket(amount, tuple(line for line, _ in part), whole.channel), member, at).earned_points
        for part, amount in zip(parts, amounts, strict=True)
        if part
    )
    assert earned <= calculate(program, whole, member, at).earned_points
