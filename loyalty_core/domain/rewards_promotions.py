"""Step 5: which promotions pay out, and how much, before the cap on the transaction."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from loyalty_core.domain.basket import AMOUNT_PLACES
from loyalty_core.domain.money import floor_together
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_index import YIELD, IndexedPromotion, ProgramIndex
from loyalty_core.domain.program_parts import Stacking


class EligibleLine(NamedTuple):
    """What promotions see of a line that earns."""

    position: int
    """In the basket."""
    weight: int
    """Its share of the spend, in the units of the basket's `Spread`."""
    quantity: int
    """In 10⁻⁴ of a unit."""
    matches: int
    """The promotions that apply to it, one bit each."""


class Worth(NamedTuple):
    """What one unit of a line's weight is worth, exactly."""

    spend_numerator: int
    spend_denominator: int
    """In currency units."""
    points_numerator: int
    points_denominator: int
    """In base points."""


class Award(NamedTuple):
    """What one promotion pays on one basket, in points."""

    place: int
    """The promotion's place in the program."""
    bit: int
    uncapped: int
    points: int
    """After the cap per promotion."""


class Alternative(NamedTuple):
    """What promotions pay that may pay together."""

    kept: list[Award]
    """In program order."""
    dropped: list[Award]
    """Those beyond the most promotions per transaction."""
    counted_for: list[int]
    """By eligible line, the promotions that it counts for, one bit each."""
    applied: int
    """All promotions that were considered together here, one bit each."""

    @property
    def total(self) -> int:
        """Points."""
        return sum(award.points for award in self.kept)


NOTHING: Final = Alternative([], [], [], 0)


def best_alternative(program: RewardProgram, applying: int, lines: Sequence[EligibleLine], worth: Worth) -> Alternative:
    """What the promotions in the mask `applying` pay: an exclusive one alone, or all others together.

    Whichever is more; of equals, the one whose first paying promotion comes first in the program.
    """
    alone = applying & program.index.exclusive
    best = _pay(program, applying ^ alone, lines, worth)
    for bit in bits(alone):
        other = _pay(program, bit, lines, worth)
        if _rank(other) > _rank(best):
            best = other
    return best


def bits(mask: int) -> Iterator[int]:
    """The bits set in `mask`, each as a mask of its own, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest


def _rank(alternative: Alternative) -> tuple[int, int]:
    return alternative.total, -alternative.kept[0].place if alternative.kept else 0


def applying_promotions(index: ProgramIndex, lines: Sequence[EligibleLine], worth: Worth) -> int:
    """The promotions that match some line, and whose matching lines reach their minimum quantity and spend."""
    applying = 0
    for line in lines:
        applying |= line.matches
    for bit in bits(applying & index.with_minimum):
        entry = index.by_bit[bit.bit_length() - 1]
        quantity = sum(line.quantity for line in lines if line.matches & bit)
        weight = sum(line.weight for line in lines if line.matches & bit)
        spend = weight * worth.spend_numerator * 10**AMOUNT_PLACES
        if quantity < entry.minimum_quantity or spend < entry.minimum_spend * worth.spend_denominator:
            applying ^= bit
    return applying


def _pay(program: RewardProgram, applying: int, lines: Sequence[EligibleLine], worth: Worth) -> Alternative:
    """What the promotions in the mask `applying` pay together."""
    if not applying:
        return NOTHING
    index = program.index
    if program.stacking is Stacking.BEST:
        counted_for = [_best_on(index, line, line.matches & applying, worth) for line in lines]
    else:
        counted_for = [line.matches & applying for line in lines]
    yields = _yields(index, lines, counted_for, worth)
    places = sorted(yields, key=lambda bit: index.by_bit[bit.bit_length() - 1].place)
    exact = [yields[bit] for bit in places]
    denominator = YIELD * worth.points_denominator
    if program.stacking is Stacking.BEST:
        uncapped = floor_together(exact, denominator)
    else:
        uncapped = [each // denominator for each in exact]
    return Alternative(*_capped(program, places, uncapped), counted_for, applying)


def yield_on(entry: IndexedPromotion, line: EligibleLine, worth: Worth) -> int:
    """What a promotion yields on one line, rewards per basket aside, in 1 / (`YIELD` * points denominator)."""
    fixed = entry.by_quantity * line.quantity + entry.by_line
    return entry.by_base * line.weight * worth.points_numerator + fixed * worth.points_denominator


def _best_on(index: ProgramIndex, line: EligibleLine, matches: int, worth: Worth) -> int:
    """The promotion among `matches` that yields most on `line`, and those that do not compete for it."""
    best, best_place, most = 0, 0, 0
    for kind in index.competing:
        of_kind = matches & kind
        if of_kind:
            bit = of_kind & -of_kind
            entry = index.by_bit[bit.bit_length() - 1]
            amount = yield_on(entry, line, worth)
            if amount > most or (amount == most and entry.place < best_place):
                best, best_place, most = bit, entry.place, amount
    return best | (matches & index.per_basket)


def _yields(
    index: ProgramIndex, lines: Sequence[EligibleLine], counted_for: Sequence[int], worth: Worth
) -> dict[int, int]:
    """What each promotion yields on the lines that count for it, by bit, in 1 / (`YIELD` * points denominator)."""
    alike: dict[int, tuple[int, int, int]] = {}
    for line, mask in zip(lines, counted_for, strict=True):
        weight, quantity, number = alike.get(mask, (0, 0, 0))
        alike[mask] = weight + line.weight, quantity + line.quantity, number + 1
    yields: dict[int, int] = {}
    for mask, (weight, quantity, number) in alike.items():
        base = weight * worth.points_numerator
        for bit in bits(mask):
            entry = index.by_bit[bit.bit_length() - 1]
            fixed = entry.by_quantity * quantity + entry.by_line * number
            yields[bit] = yields.get(bit, 0) + entry.by_base * base + fixed * worth.points_denominator
    for bit in yields:
        yields[bit] += index.by_bit[bit.bit_length() - 1].by_basket * worth.points_denominator
    return yields


def _capped(program: RewardProgram, order: list[int], uncapped: list[int]) -> tuple[list[Award], list[Award]]:
    """The awards kept and dropped under the caps per promotion and on their number; 0 points are no award."""
    cap = program.caps.points_per_promotion
    by_bit = program.index.by_bit
    awards = [
        Award(by_bit[bit.bit_length() - 1].place, bit, points, points if cap is None else min(points, cap))
        for bit, points in zip(order, uncapped, strict=True)
        if points
    ]
    most = program.caps.promotions_per_transaction
    if most is None or len(awards) <= most:
        return awards, []
    ranked = sorted(awards, key=lambda award: -award.points)
    return sorted(ranked[:most]), sorted(ranked[most:])
