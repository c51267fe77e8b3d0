"""The circuit's rules one by one, by a clock that only the test moves."""

from itertools import pairwise

import pytest

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.pdi.breaker import Circuit, CircuitOpen, CircuitState
from loyalty_adapters.pdi.breaker_window import SlidingWindow
from loyalty_adapters.pdi.settings import CircuitSettings

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SETTINGS = CircuitSettings(open_for=10, open_cap=35)


class Bench:
    """A circuit, its clock, and what it told its listener."""

    def __init__(self, settings: CircuitSettings = SETTINGS) -> None:
        self.clock = ManualClock()
        self.changes: list[tuple[str, CircuitState, CircuitState]] = []
        self.seen: list[CircuitState] = []
        self.circuit = Circuit("pdi", settings, self.clock, self._changed)

    def _changed(self, name: str, old: CircuitState, new: CircuitState) -> None:
        self.changes.append((name, old, new))
        self.seen.append(self.circuit.state)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.circuit.admit().failed()

    def succeed(self, times: int = 1, *, slow: bool = False) -> None:
        for _ in range(times):
            self.circuit.admit().succeeded(slow=slow)

    def opened(self) -> "Bench":
        self.fail(5)
        assert self.circuit.state is OPEN
        return self

    def half_open(self) -> "Bench":
        self.opened().clock.advance(10)
        assert self.circuit.state is HALF_OPEN
        return self


def test_five_failures_in_a_row_open_it() -> None:
    """Four failures leave it closed, the fifth opens it and calls are refused with the time that remains."""
    bench = Bench()
    bench.fail(4)
    assert bench.circuit.state is CLOSED
    bench.fail()
    assert bench.circuit.state is OPEN
    bench.clock.advance(4)
    with pytest.raises(CircuitOpen) as refused:
        bench.circuit.admit()
    assert refused.value.retry_after == pytest.approx(6)
    assert bench.circuit.retry_after == pytest.approx(6)


def test_a_success_starts_the_row_anew() -> None:
    """Failures count in a row only if nothing succeeded between them."""
    bench = Bench(CircuitSettings(window_calls=1000))
    for _ in range(20):
        bench.fail(4)
        bench.succeed()
    assert bench.circuit.state is CLOSED


@pytest.mark.parametrize("bad", ["failed", "slow"])
def test_half_of_ten_calls_in_the_window_open_it(bad: str) -> None:
    """With fewer than ten calls nothing is judged; at ten, half of them failed or slow are too many."""
    bench = Bench()

    def one_bad() -> None:
        if bad == "slow":
            bench.succeed(slow=True)
        else:
            bench.fail()

    for _ in range(4):
        bench.succeed()
        one_bad()
    bench.succeed()
    assert bench.circuit.state is CLOSED
    one_bad()
    assert bench.circuit.state is OPEN


def test_less_than_half_leaves_it_closed() -> None:
    """Forty-nine bad calls among a hundred are within bounds."""
    bench = Bench()
    bench.succeed(51)
    for _ in range(12):
        bench.fail(4)
        bench.succeed()
    assert bench.circuit.state is CLOSED


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """Nine bad calls that are ten seconds old do not make a tenth one the last straw."""
    bench = Bench()
    bench.succeed(9, slow=True)
    bench.clock.advance(10)
    bench.succeed(slow=True)
    assert bench.circuit.state is CLOSED


def test_a_slow_success_is_no_failure_in_a_row() -> None:
    """Slowness counts by share; it also interrupts a row of failures, for an answer came."""
    bench = Bench()
    bench.fail(4)
    bench.succeed(slow=True)
    bench.fail(4)
    assert bench.circuit.state is CLOSED


def test_exactly_one_probe_at_a_time() -> None:
    """Once the open time is over one call passes, and none beside it until it has ended."""
    bench = Bench().half_open()
    assert bench.circuit.retry_after == 0
    probe = bench.circuit.admit()
    for _ in range(50):
        with pytest.raises(CircuitOpen) as refused:
            bench.circuit.admit()
        assert refused.value.retry_after > 0
    probe.succeeded()
    assert bench.circuit.state is CLOSED
    bench.succeed(50)


def test_failing_probes_double_the_open_time_up_to_the_cap() -> None:
    """10, 20, 35 and again 35 seconds; a success takes it back to 10."""
    bench = Bench().half_open()
    for expected in (20, 35, 35):
        bench.fail()
        assert bench.circuit.state is OPEN
        assert bench.circuit.retry_after == pytest.approx(expected)
        bench.clock.advance(expected)
    bench.succeed()
    assert bench.circuit.state is CLOSED
    bench.fail(5)
    assert bench.circuit.retry_after == pytest.approx(10)


def test_a_slow_probe_is_a_failed_one() -> None:
    """What opens a circuit by being slow does not close it by being slow."""
    bench = Bench().half_open()
    bench.succeed(slow=True)
    assert bench.circuit.state is OPEN
    assert bench.circuit.retry_after == pytest.approx(20)


def test_a_cancelled_probe_frees_its_place() -> None:
    """Nothing was learnt: the circuit is open for as long as before, then the next call is the probe."""
    bench = Bench().half_open()
    bench.circuit.admit().abandoned()
    assert bench.circuit.state is OPEN
    assert bench.circuit.retry_after == pytest.approx(10)
    bench.clock.advance(10)
    bench.succeed()
    assert bench.circuit.state is CLOSED


def test_a_cancelled_call_counts_for_nothing() -> None:
    """Neither as a failure nor as an end to a row of them."""
    bench = Bench()
    bench.fail(4)
    for _ in range(100):
        bench.circuit.admit().abandoned()
    assert bench.circuit.state is CLOSED
    bench.fail()
    assert bench.circuit.state is OPEN


@pytest.mark.parametrize("late", ["succeeded", "failed", "abandoned"])
def test_late_results_are_not_heard(late: str) -> None:
    """A call begun before the trip changes nothing: not while open, not beside the probe, not after it closed."""
    bench = Bench()
    stragglers = [bench.circuit.admit() for _ in range(30)]
    bench.half_open()
    getattr(stragglers[0], late)()
    assert bench.circuit.state is HALF_OPEN
    probe = bench.circuit.admit()
    for straggler in stragglers[1:10]:
        getattr(straggler, late)()
    assert bench.circuit.state is HALF_OPEN
    with pytest.raises(CircuitOpen):
        bench.circuit.admit()
    probe.succeeded()
    for straggler in stragglers[10:]:
        getattr(straggler, late)()
    assert bench.circuit.state is CLOSED
    bench.fail(4)
    assert bench.circuit.state is CLOSED


def test_a_permit_is_given_back_once() -> None:
    """The first word about a call counts, whatever is said after it."""
    bench = Bench()
    for _ in range(4):
        permit = bench.circuit.admit()
        permit.failed()
        permit.failed()
        permit.succeeded()
        permit.abandoned()
    for _ in range(10):
        permit = bench.circuit.admit()
        permit.succeeded()
        permit.failed()
        abandoned = bench.circuit.admit()
        abandoned.abandoned()
        abandoned.failed()
    assert bench.circuit.state is CLOSED
    bench.fail(5)
    assert bench.circuit.state is OPEN


def test_closing_forgets_the_window() -> None:
    """The calls that opened it do not open it again."""
    bench = Bench()
    bench.succeed(10, slow=True)
    assert bench.circuit.state is OPEN
    bench.clock.advance(10)
    bench.succeed()
    bench.succeed(8, slow=True)
    assert bench.circuit.state is CLOSED


def test_every_change_is_told_once_and_holds_when_told() -> None:
    """The listener hears each change in order, and a look at the circuit agrees with what it hears."""
    bench = Bench().half_open()
    bench.fail()
    bench.clock.advance(20)
    bench.succeed()
    path = [CLOSED, OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED]
    assert [("pdi", old, new) for old, new in pairwise(path)] == bench.changes
    assert [new for _, _, new in bench.changes] == bench.seen


def test_the_window_counts_no_call_twice_and_none_for_ever() -> None:
    """After a pause longer than the window only the newest call is left; slots are reused cleanly."""
    window = SlidingWindow(10)
    for second in range(35):
        window.record(float(second), bad=second % 2 == 0)
        assert min(second + 1, 10) == window.calls
    assert window.bad == 5
    window.record(1000.0, bad=True)
    assert window.calls == window.bad == 1
    window.clear()
    assert window.calls == window.bad == 0


@pytest.mark.parametrize(
    "knobs",
    [
        {"failures_in_a_row": 0},
        {"window_calls": 0},
        {"window_share": 0.0},
        {"window_share": 1.1},
        {"slow_share": 0.0},
        {"window": 0.0},
        {"open_for": 0.0},
        {"open_for": 61.0},
    ],
)
def test_knobs_that_make_no_circuit_are_refused(knobs: dict[str, float]) -> None:
    """A circuit that could never open, never close or never judge is a mistake at start, not at the first outage."""
    with pytest.raises(ValueError, match="must be"):
        CircuitSettings(**knobs)  # type: ignore[arg-type]  # one table for whole and broken numbers
