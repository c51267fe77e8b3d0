"""The laws that hold of every quote. Each test states its law, and its precondition where it has one."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.program import RewardProgram, program_from_json, program_to_json
from loyalty_core.domain.program_parts import Stacking
from loyalty_core.domain.program_toml import program_from_toml, program_to_toml
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.rewards import Quote, calculate
from tests.properties.baskets import CHANNELS, SKUS, TIERS, amounts, baskets, members, moments
from tests.properties.programs import programs


def quoted(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> Quote | None:
    """The quote, or None where the program does not take the points offered."""
    try:
        return calculate(program, basket, member, at)
    except RedemptionRefused:
        assert basket.redeem_points
        return None


@given(programs(), baskets(), members(), moments())
def test_parts_sum_to_earned(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Law 1: base, tier bonus and promotions sum to the points earned, bonuses to the bonus."""
    quote = quoted(program, basket, member, at)
    if quote is not None:
        paid = sum(award.points for award in quote.promotions)
        assert quote.bonus_points == quote.tier_bonus + paid
        assert quote.earned_points == quote.base_points + quote.tier_bonus + paid


@given(programs(), baskets(), members(), moments())
def test_same_inputs_same_quote(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Law 2: equal inputs give equal quotes, whatever was calculated before and however the numbers are written."""
    again = msgspec.structs.replace(program)
    rewritten = Basket(
        basket.amount.quantize(Decimal("0.0001")),
        tuple(
            msgspec.structs.replace(line, quantity=line.quantity.quantize(Decimal("0.0001"))) for line in basket.lines
        ),
        basket.channel,
        basket.redeem_points,
    )
    assert basket == rewritten
    assert quoted(program, basket, member, at) == quoted(again, rewritten, member, at)


@given(programs(), baskets(), members(), moments(), st.randoms())
def test_order_of_lines_is_irrelevant(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, random: Any
) -> None:
    """Law 3: shuffled lines give the same quote."""
    shuffled = list(basket.lines)
    random.shuffle(shuffled)
    expected = quoted(program, basket, member, at)
    assert expected == quoted(program, msgspec.structs.replace(basket, lines=tuple(shuffled)), member, at)


@given(
    programs(stacking=Stacking.BEST, promotion_caps=False) | programs(stacking=Stacking.SUM),
    baskets(redeem=False),
    members(),
    moments(),
    amounts(),
)
def test_a_larger_amount_never_earns_fewer(
    program: RewardProgram, basket: Basket, member: Member, at: datetime, more: Decimal
) -> None:
    """Law 4: the same lines at a larger amount earn no fewer points.

    Without redemption; under `best`, without a cap per promotion or on their number.
    """
    larger = msgspec.structs.replace(basket, amount=basket.amount + more)
    smaller_quote, larger_quote = (calculate(program, each, member, at) for each in (basket, larger))
    assert smaller_quote.earned_points <= larger_quote.earned_points


@given(programs(tiers=False), baskets(), moments(), st.permutations(TIERS))
def test_a_higher_tier_never_earns_fewer(
    program: RewardProgram, basket: Basket, at: datetime, names: list[str]
) -> None:
    """Law 5: of two tiers, that with the larger bonus earns no fewer points, unless a promotion names tiers."""
    bonus = {tier.name: tier.bonus_percent for tier in program.tiers}
    lower, higher = sorted(names[:2], key=bonus.__getitem__)
    lower_quote = quoted(program, basket, Member(CustomerId("C"), lower), at)
    higher_quote = quoted(program, basket, Member(CustomerId("C"), higher), at)
    assert (lower_quote is None) == (higher_quote is None)
    if lower_quote is not None and higher_quote is not None:
        assert lower_quote.earned_points <= higher_quote.earned_points


@given(programs(), baskets(), members(), moments())
def test_caps_hold(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Law 8: no quote exceeds the program's caps, and what the cap on the transaction took is reported."""
    quote = quoted(program, basket, member, at)
    if quote is None:
        return
    caps = program.caps
    if caps.points_per_transaction is not None:
        assert quote.earned_points <= caps.points_per_transaction
        assert quote.capped_points == 0 or quote.earned_points == caps.points_per_transaction
    else:
        assert quote.capped_points == 0
    if caps.points_per_promotion is not None:
        assert all(award.points <= caps.points_per_promotion for award in quote.promotions)
    if caps.promotions_per_transaction is not None:
        assert len(quote.promotions) <= caps.promotions_per_transaction


def huge_baskets() -> st.SearchStrategy[Basket]:
    """The largest that are accepted, with whole and broken numbers."""
    amount = st.sampled_from([Decimal("9999999999.99"), Decimal("0.01"), Decimal(0)])
    line = st.builds(
        BasketLine,
        st.sampled_from(SKUS),
        st.sampled_from([Decimal("999999.9999"), Decimal("0.0001"), Decimal(1)]),
        st.sampled_from([None, Decimal(0), Decimal("9999999999.999999"), Decimal("0.000001")]),
    )
    return st.builds(Basket, amount, st.lists(line, max_size=8).map(tuple), st.sampled_from(CHANNELS))


@given(programs(), huge_baskets() | baskets(), members(), moments())
def test_nothing_is_negative_and_everything_fits(
    program: RewardProgram, basket: Basket, member: Member, at: datetime
) -> None:
    """Law 9: every figure of a quote is 0 or more and fits a signed 64-bit integer."""
    quote = quoted(program, basket, member, at)
    if quote is None:
        return
    paid = [award.points for award in quote.promotions]
    figures = [quote.earned_points, quote.base_points, quote.tier_bonus, quote.bonus_points, quote.capped_points]
    assert all(0 <= figure <= MAX_POINTS for figure in (*figures, *paid))
    assert quote.multiplier >= 0
    assert all(points > 0 for points in paid)


@given(programs(places=0) | programs() | programs(places=4))
def test_programs_round_trip(program: RewardProgram) -> None:
    """Law 11: a program reads back equal, hash included, from its TOML and from its stored content."""
    for again in (program_from_toml(program_to_toml(program)), program_from_json(program_to_json(program))):
        assert program == again
        assert program.content_hash == again.content_hash


ODD_NUMBERS = st.decimals(min_value=0, max_value=Decimal(9999999999), places=6, allow_nan=False, allow_infinity=False)


@st.composite
def accepted_baskets(draw: st.DrawFn) -> Basket:
    """Any basket within the bounds of the HTTP contract, in a currency with two decimals."""
    names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
    line = st.builds(
        BasketLine,
        names | st.sampled_from(SKUS),
        st.integers(1, 10**10 - 1).map(lambda parts: Decimal(parts).scaleb(-4)),
        st.none() | ODD_NUMBERS,
        st.none() | names,
    )
    return Basket(
        draw(st.integers(0, 10**12 - 1).map(lambda cents: Decimal(cents).scaleb(-2))),
        tuple(draw(st.lists(line, max_size=12))),
        ChannelId(draw(names)),
        draw(st.just(0) | st.integers(0, MAX_POINTS)),
    )


@given(programs(), accepted_baskets(), members(), moments())
def test_every_accepted_basket_is_computed(
    program: RewardProgram, basket: Basket, member: Member, at: datetime
) -> None:
    """Law 12: a basket within bounds raises nothing, unless it redeems points that the program does not take."""
    quote = quoted(program, basket, member, at)
    assert quote is None or quote.earned_points >= 0


@given(programs(), baskets(), members(), moments())
def test_a_stored_quote_can_be_had_again(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> None:
    """Law 14: a quote read back from JSON equals one recomputed from its program's and basket's stored content."""
    quote = quoted(program, basket, member, at)
    if quote is None:
        return
    stored_quote = msgspec.json.decode(msgspec.json.encode(quote), type=Quote)
    stored_basket = msgspec.json.decode(msgspec.json.encode(basket), type=Basket)
    stored_program = program_from_json(program_to_json(program))
    assert quote == stored_quote
    assert stored_program.content_hash == stored_quote.program_hash
    assert stored_quote == calculate(stored_program, stored_basket, member, stored_quote.at)
