"""A thousand histories, a failing one of which is shown in full; and the proof that a seed is a history."""

import os
from collections import Counter
from typing import Final

import pytest

from tests.simulation.faults import Fault
from tests.simulation.history import Violation
from tests.simulation.scenario import Scenario, play
from tests.simulation.service import Build

SEEDS: Final = int(os.environ.get("LOYALTY_SIMULATION_SEEDS", "1000"))
"""How many histories; `make simulate` asks for more."""
_BATCHES: Final = 4

ANSWERS: Final = frozenset(
    {
        "identify 200",
        "identify in_flight",
        "identify pdi_rejected",
        "identify transaction_mismatch",
        "calculate 200",
        "calculate redemption_needs_pdi",
        "finalize 200",
        "finalize 202",
        "finalize in_flight",
        "finalize pdi_rejected",
        "finalize pdi_unauthorized",
        "finalize quote_changed",
        "finalize settlement_failed",
        "finalize transaction_mismatch",
        "finalize outcome_unknown",
        "finalize no answer",
        "cancel 200",
        "cancel illegal_transition",
    }
)
"""What has to happen somewhere, or the histories prove less than they seem to."""


@pytest.mark.parametrize("batch", range(_BATCHES))
@pytest.mark.timeout(0)
def test_histories(batch: int) -> None:
    """Whatever fails, in whatever order: every promise is kept, and each kind of failure has really happened."""
    first, last = (SEEDS * place // _BATCHES for place in (batch, batch + 1))
    struck: Counter[Fault] = Counter()
    answers: Counter[str] = Counter()
    for seed in range(first, last):
        try:
            outcome = play(seed)
        except Exception as error:  # noqa: BLE001 - shown again, with its history
            pytest.fail(_shown(seed, error), pytrace=False)
        struck.update(outcome.struck)
        answers.update(outcome.answers)
    assert set() == set(Fault) - set(struck)
    assert set() == ANSWERS - set(answers)


def _shown(seed: int, error: Exception) -> str:
    again = Scenario(seed, Build(), keep=True)
    try:
        again.run()
    except type(error) as same:
        return "\n".join((*again.history.lines, f"seed {seed}: {same!r}", f"python -m tests.simulation --seed {seed}"))
    return f"seed {seed}: {error!r}; played again it did not happen, so the simulation is not deterministic"


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_is_a_history(seed: int) -> None:
    """The same seed gives the same history, line by line; another seed another."""

    def trace(seed: int) -> list[str]:
        scenario = Scenario(seed, Build(), keep=True)
        scenario.run()
        return scenario.history.lines

    assert trace(seed) == trace(seed)
    assert trace(seed) != trace(seed + 1)


def test_a_broken_promise_is_noticed() -> None:
    """The ledger check itself can fail: a booking behind our back is one too many."""
    scenario = Scenario(1, Build())
    scenario.run()
    ledger = scenario.views.pdi.ledger
    assert ledger
    ledger.append(ledger[0])

    with pytest.raises(Violation, match="booked 2 times"):
        scenario.judge_again()
