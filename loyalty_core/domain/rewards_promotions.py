"""Step 5: which promotions pay out, and how much, before the cap on the transaction."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from loyalty_core.domain.basket import AMOUNT_PLACES
from loyalty_core.domain.money import floor_together
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_index import YIELD, IndexedPromotion, ProgramIndex
from loyalty_core.domain.program_parts import Stacking


class EligibleLine(msgspec.Struct, frozen=True, gc=False):
    """What promotions see of a line that earns."""

    position: int
    """In the basket."""
    weight: int
    """Its share of the spend, in the units of the basket's `Spread`."""
    quantity: int
    """In 10⁻⁴ of a unit."""
    matches: int
    """The promotions that apply to it, one bit each."""


class Worth(msgspec.Struct, frozen=True, gc=False):
    """What one unit of a line's weight is worth, exactly."""

    spend_numerator: int
    spend_denominator: int
    """In currency units."""
    points_numerator: int
    points_denominator: int
    """In base points."""


class Award(msgspec.Struct, frozen=True, order=True, gc=False):
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
        entry = index.by_bit[bit]
        quantity = weight = 0
        for line in lines:
            if line.matches & bit:
                quantity += line.quantity
                weight += line.weight
        spend = weight * worth.spend_numerator * 10**AMOUNT_PLACES
        if quantity < entry.minimum_quantity or spend < entry.minimum_spend * worth.spend_denominator:
            applying ^= bit
    return applying


def _pay(program: RewardProgram, applying: int, lines: Sequence[EligibleLine], worth: Worth) -> Alternative:
    """What the promotions in the mask `applying` pay together."""
    if not applying:
        return NOTHING
    index = program.index
    order = index.places.__getitem__
    denominator = YIELD * worth.points_denominator
    if program.stacking == Stacking.BEST:
        yields, counted_for = _best_of_each_line(index, applying, lines, worth)
        bits_paid = sorted(yields, key=order)
        uncapped = floor_together([yields[bit] for bit in bits_paid], denominator)
    else:
        yields, counted_for = _all_of_each_line(index, applying, lines, worth)
        bits_paid = sorted(yields, key=order)
        uncapped = [yields[bit] // denominator for bit in bits_paid]
    return Alternative(*_capped(program, bits_paid, uncapped), counted_for, applying)


def yield_on(entry: IndexedPromotion, line: EligibleLine, worth: Worth) -> int:
    """What a promotion yields on one line, rewards per basket aside.

    In 1 / (`YIELD` * points denominator) of a point, like all yields: whole numbers that can be compared and added.
    """
    fixed = entry.by_quantity * line.quantity + entry.by_line
    return entry.by_base * line.weight * worth.points_numerator + fixed * worth.points_denominator


def _best_of_each_line(
    index: ProgramIndex, applying: int, lines: Sequence[EligibleLine], worth: Worth
) -> tuple[dict[int, int], list[int]]:
    """What the promotions yield, by bit, and what each line counts for, where a line counts for the best one only.

    Rewards per basket do not compete for lines: every line they match counts for them too.
    """
    yields = _per_basket_yields(index, applying, worth)
    counted_for = []
    for line in lines:
        matches = line.matches & applying
        best, most = _best_on(index, line, matches, worth)
        if best:
            yields[best] += most
        counted_for.append(best | (matches & index.per_basket))
    return yields, counted_for


def _best_on(index: ProgramIndex, line: EligibleLine, matches: int, worth: Worth) -> tuple[int, int]:
    """The promotion among `matches` that yields most on `line`, as a mask, and how much; no bit where none competes."""
    best, best_place, most = 0, 0, -1
    for kind in index.competing:
        of_kind = matches & kind
        if of_kind:
            bit = of_kind & -of_kind
            entry = index.by_bit[bit]
            offer = yield_on(entry, line, worth)
            if offer > most or (offer == most and entry.place < best_place):
                best, best_place, most = bit, entry.place, offer
    return best, most


def _all_of_each_line(
    index: ProgramIndex, applying: int, lines: Sequence[EligibleLine], worth: Worth
) -> tuple[dict[int, int], list[int]]:
    """What the promotions yield, by bit, and what each line counts for, where a line counts for all that it matches."""
    counted_for = [line.matches & applying for line in lines]
    alike: dict[int, tuple[int, int, int]] = {}
    for line, mask in zip(lines, counted_for, strict=True):
        weight, quantity, number = alike.get(mask, (0, 0, 0))
        alike[mask] = weight + line.weight, quantity + line.quantity, number + 1
    yields = _per_basket_yields(index, applying, worth)
    for mask, (weight, quantity, number) in alike.items():
        base = weight * worth.points_numerator
        for bit in bits(mask & ~index.per_basket):
            entry = index.by_bit[bit]
            fixed = (entry.by_quantity * quantity + entry.by_line * number) * worth.points_denominator
            yields[bit] += entry.by_base * base + fixed
    return yields, counted_for


def _per_basket_yields(index: ProgramIndex, applying: int, worth: Worth) -> defaultdict[int, int]:
    rewards = bits(applying & index.per_basket)
    return defaultdict(int, {bit: index.by_bit[bit].by_basket * worth.points_denominator for bit in rewards})


def _capped(program: RewardProgram, bits_paid: list[int], uncapped: list[int]) -> tuple[list[Award], list[Award]]:
    """The awards kept and dropped under the caps per promotion and on their number; 0 points are no award."""
    cap = program.caps.points_per_promotion
    places = program.index.places
    awards = [
        Award(places[bit], bit, points, points if cap is None else min(points, cap))
        for bit, points in zip(bits_paid, uncapped, strict=True)
        if points
    ]
    most = program.caps.promotions_per_transaction
    if most is None or len(awards) <= most:
        return awards, []
    ranked = sorted(awards, key=lambda award: -award.points)
    return sorted(ranked[:most]), sorted(ranked[most:])
