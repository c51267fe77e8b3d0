"""Law 10: return after return never moves more than was booked, and returning everything moves exactly that."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.errors import OverReturn
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.return_request import ReturnedShare, ReturnLine, ReturnRequest
from loyalty_core.domain.returns import (
    BookedTotals,
    ReturnFigures,
    Sale,
    SettledReturn,
    figures_to_return,
    sale_of,
    share_to_return,
)
from tests.properties.baskets import amounts, baskets
from tests.properties.programs import programs


@dataclass
class Counter:
    """The returns of one sale, as a service keeps them: pending ones settle oldest first, or are rejected."""

    sale: Sale
    booked: BookedTotals
    pending: list[ReturnedShare] = field(default_factory=list)
    settled: list[SettledReturn] = field(default_factory=list)

    def ask(self, request: ReturnRequest) -> bool:
        """Accept `request`, or refuse it for returning too much."""
        standing = [*(each.share for each in self.settled), *self.pending]
        try:
            share = share_to_return(self.sale, request, standing)
        except OverReturn:
            return False
        self.pending.append(share)
        return True

    def settle(self) -> ReturnFigures:
        share = self.pending.pop(0)
        figures = figures_to_return(self.sale, self.booked, share, self.settled)
        self.settled.append(SettledReturn(share, figures))
        return figures

    @property
    def moved(self) -> tuple[int, int]:
        figures = [each.figures for each in self.settled]
        return sum(each.points_reversed for each in figures), sum(each.points_restored for each in figures)


def requests(sale: Sale) -> st.SearchStrategy[ReturnRequest]:
    by_line = st.builds(
        ReturnLine,
        st.integers(1, 40_000).map(lambda parts: Decimal(parts).scaleb(-4)) | st.integers(1, 3).map(Decimal),
        st.integers(0, max(len(sale.lines) - 1, 0)),
    )
    by_lines = st.lists(by_line, min_size=1, max_size=3).map(lambda lines: ReturnRequest(tuple(lines)))
    by_amount = amounts(sale.minor_units).filter(bool).map(lambda amount: ReturnRequest(amount=amount))
    either = (by_lines, by_amount, st.just(ReturnRequest()))
    return st.one_of(*(either if sale.lines else either[1:]))


totals = st.builds(BookedTotals, st.integers(0, 1_000) | st.integers(0, 10**15), st.integers(0, 5_000))


@given(programs(), baskets(), totals, st.data())
def test_any_sequence_of_returns(
    program: RewardProgram, basket: Basket, booked: BookedTotals, data: st.DataObject
) -> None:
    """Any mix of lines, amounts and remainders, settled, pending and rejected in between, stays within the totals.

    When all that was sold has been returned, exactly the totals have been moved.
    """
    counter = Counter(sale_of(program, basket), booked)
    for _ in range(data.draw(st.integers(1, 8))):
        match data.draw(st.sampled_from(["ask", "ask", "settle", "reject"])):
            case "ask":
                counter.ask(data.draw(requests(counter.sale)))
            case "settle" if counter.pending:
                figures = counter.settle()
                assert figures.points_reversed >= 0
                assert figures.points_restored >= 0
            case "reject" if counter.pending:
                counter.pending.pop(data.draw(st.integers(0, len(counter.pending) - 1)))
        reversed_points, restored_points = counter.moved
        assert reversed_points <= booked.earned
        assert restored_points <= booked.redeemed
    while counter.pending:
        counter.settle()
    if counter.ask(ReturnRequest()):
        counter.settle()
    expected = (booked.earned, booked.redeemed) if counter.sale.lines else (0, 0)
    assert expected == counter.moved
    assert not counter.ask(ReturnRequest())


@given(programs(), baskets(), totals, st.data())
def test_what_a_pending_return_takes_cannot_be_taken_twice(
    program: RewardProgram, basket: Basket, booked: BookedTotals, data: st.DataObject
) -> None:
    """The shares of all returns that stand, settled or pending, never exceed any line."""
    counter = Counter(sale_of(program, basket), booked)
    for request in data.draw(st.lists(requests(counter.sale), max_size=6)):
        counter.ask(request)
        taken = [
            sum(fractions, Fraction(0)) for fractions in zip(*(each.exact() for each in counter.pending), strict=True)
        ]
        assert all(0 <= fraction <= 1 for fraction in taken)


@given(programs(), baskets(), totals, st.data())
def test_settling_in_another_order_moves_the_same(
    program: RewardProgram, basket: Basket, booked: BookedTotals, data: st.DataObject
) -> None:
    """The points moved by all returns together do not depend on the order in which they settle."""
    counter = Counter(sale_of(program, basket), booked)
    for request in data.draw(st.lists(requests(counter.sale), max_size=5)):
        counter.ask(request)
    other = Counter(counter.sale, booked, data.draw(st.permutations(counter.pending)))
    for each in (counter, other):
        while each.pending:
            each.settle()
    assert counter.moved == other.moved
