"""The circuit beside a model that keeps every call in a list and knows nothing of aiobreaker."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.pdi.breaker import Circuit, CircuitOpen, CircuitState, Permit
from loyalty_adapters.pdi.settings import CircuitSettings

SETTINGS = CircuitSettings(failures_in_a_row=3, window=10, window_calls=6, window_share=0.5, open_for=4, open_cap=13)
VERDICTS = ("good", "slow", "failed", "abandoned")


@dataclass
class Model:
    """What the circuit ought to do, told as plainly as possible. Times are whole seconds, one per slot."""

    now: int = 0
    state: str = "CLOSED"
    era: int = 0
    opened_at: int = 0
    open_for: int = 4
    row: int = 0
    calls: list[tuple[int, bool]] = field(default_factory=list)
    probing: bool = False

    def waits(self) -> int:
        return max(0, self.opened_at + self.open_for - self.now) if self.state == "OPEN" else 0

    def lets_through(self) -> bool:
        return self.state == "CLOSED" or (self.waits() == 0 and not self.probing)

    def admit(self) -> int:
        if self.state == "OPEN":
            self.state, self.probing = "HALF_OPEN", True
            self.era += 1
        return self.era

    def settle(self, era: int, verdict: str) -> None:
        if era != self.era:
            return
        if self.state == "HALF_OPEN":
            self._settle_probe(verdict)
        elif verdict != "abandoned":
            self.row = self.row + 1 if verdict == "failed" else 0
            self.calls.append((self.now, verdict != "good"))
            recent = [bad for at, bad in self.calls if at > self.now - 10]
            if self.row >= 3 or (len(recent) >= 6 and 2 * sum(recent) >= len(recent)):
                self._open()

    def _settle_probe(self, verdict: str) -> None:
        self.probing = False
        if verdict == "good":
            self.state, self.row, self.calls, self.open_for = "CLOSED", 0, [], 4
            self.era += 1
            return
        if verdict != "abandoned":
            self.open_for = min(2 * self.open_for, 13)
        self._open()

    def _open(self) -> None:
        self.state, self.opened_at = "OPEN", self.now
        self.era += 1


class CircuitBesideModel(RuleBasedStateMachine):
    """Calls begin, end in any order and fashion, and time passes; the two must never differ."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.told: list[tuple[CircuitState, CircuitState]] = []
        self.circuit = Circuit("pdi", SETTINGS, self.clock, lambda _, old, new: self.told.append((old, new)))
        self.model = Model()
        self.under_way: list[tuple[Permit, int]] = []

    @rule()
    def begin(self) -> None:
        if self.model.lets_through():
            self.under_way.append((self.circuit.admit(), self.model.admit()))
            return
        with pytest.raises(CircuitOpen) as refused:
            self.circuit.admit()
        assert refused.value.retry_after > 0

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), verdict=st.sampled_from(VERDICTS))
    def end(self, data: st.DataObject, verdict: str) -> None:
        permit, era = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        _give_back(permit, verdict)
        self.model.settle(era, verdict)

    @rule(verdict=st.sampled_from(VERDICTS), times=st.integers(1, 6))
    def call_at_once(self, verdict: str, times: int) -> None:
        for _ in range(times):
            if self.model.lets_through():
                permit, era = self.circuit.admit(), self.model.admit()
                _give_back(permit, verdict)
                self.model.settle(era, verdict)

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.model.now += seconds

    @invariant()
    def agree(self) -> None:
        expected = "HALF_OPEN" if self.model.state == "OPEN" and self.model.waits() == 0 else self.model.state
        assert expected == self.circuit.state
        if self.model.probing:
            assert self.circuit.retry_after > 0
        else:
            assert self.model.waits() == self.circuit.retry_after

    @invariant()
    def every_change_follows_from_the_last(self) -> None:
        assert all(before[1] is after[0] for before, after in zip(self.told, self.told[1:], strict=False))


def _give_back(permit: Permit, verdict: str) -> None:
    match verdict:
        case "failed":
            permit.failed()
        case "abandoned":
            permit.abandoned()
        case _:
            permit.succeeded(slow=verdict == "slow")


TestCircuitBesideModel = CircuitBesideModel.TestCase
TestCircuitBesideModel.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
