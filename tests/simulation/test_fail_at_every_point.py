"""One fault at a time, at the first place where it can strike, then at the second, until there is no further place."""

import random
from typing import Final

import pytest

from tests.simulation.faults import Fault, OneFault
from tests.simulation.scenario import Scenario
from tests.simulation.service import Build

_HISTORIES: Final = (3, 11, 20)
"""Quiet ones, with sales, redemptions and returns."""
_POINTS: Final = frozenset(
    {
        "cache get",
        "find",
        "receipt number",
        "commit finalize_intended",
        "pdi book",
        "commit host_accepted",
        "cache put",
        "commit return_intended",
        "commit return_settled",
    }
)
"""Every await of a live finalize and of a live return that goes well."""
_FAULTS: Final = tuple(
    fault
    for fault in Fault
    if fault.name.startswith(("STORE_", "COMMIT_", "HOST_", "CRASH_", "STALL")) and fault is not Fault.HOST_FORGETS
)


def _play_each_point(fault: Fault, seed: int) -> tuple[int, set[str]]:
    """How many places there are, and what died at them."""
    died: set[str] = set()
    point = 0
    while True:
        point += 1
        weather = OneFault(random.Random(seed), fault, point)
        scenario = Scenario(seed, Build(), weather=weather, keep=True)
        try:
            scenario.run()
        except Exception as error:  # noqa: BLE001 - shown with its history
            lines = "\n".join(scenario.history.lines)
            pytest.fail(f"{lines}\n{fault} at its {point}. place in history {seed}: {error!r}", pytrace=False)
        if not weather.reached:
            return point - 1, died
        died.update(line.partition("dies ")[2].partition(" ")[2] for line in scenario.history.lines if "dies " in line)


@pytest.mark.parametrize("fault", _FAULTS, ids=lambda fault: fault.name.lower())
def test_each_point(fault: Fault) -> None:
    """Wherever it strikes, no promise is broken; a death strikes at every await of finalize."""
    points, died = 0, set()
    for seed in _HISTORIES:
        reached, here = _play_each_point(fault, seed)
        points += reached
        died |= here
    assert points > 0
    if fault in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}:
        assert set() == _POINTS - died
