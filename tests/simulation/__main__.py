"""Play histories: ``python -m tests.simulation --seeds 100000``, or one with its trace: ``--seed 4711``."""

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.faults import Fault
from tests.simulation.history import Violation
from tests.simulation.scenario import Scenario, play
from tests.simulation.service import Build

_BATCH = 250


def _say(line: str) -> None:
    print(line)  # noqa: T201 - what a command line is for


def _batch(first: int, count: int) -> tuple[Counter[Fault], Counter[str], list[str]]:
    struck: Counter[Fault] = Counter()
    answers: Counter[str] = Counter()
    failed = []
    for seed in range(first, first + count):
        try:
            outcome = play(seed)
        except Exception as error:  # noqa: BLE001 - whatever ended it, the seed is the finding
            failed.append(f"--seed {seed}  {type(error).__name__}: {error}")
        else:
            struck.update(outcome.struck)
            answers.update(outcome.answers)
    return struck, answers, failed


def _show(seed: int) -> int:
    scenario = Scenario(seed, Build(), keep=True)
    try:
        scenario.run()
    except Violation as violation:
        _say("\n".join(scenario.history.lines))
        traceback.print_exception(violation)
        _say(f"seed {seed}: {violation}")
        return 1
    except Exception:  # noqa: BLE001 - shown with its trace
        _say("\n".join(scenario.history.lines))
        traceback.print_exc()
        return 1
    _say("\n".join(scenario.history.lines))
    _say(f"seed {seed}: nothing to find")
    return 0


def main() -> int:
    """The command line; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="this one only, line by line")
    options = parser.parse_args()
    if options.seed is not None:
        return _show(options.seed)
    began = time.perf_counter()
    struck: Counter[Fault] = Counter()
    answers: Counter[str] = Counter()
    failed: list[str] = []
    firsts = range(options.start, options.start + options.seeds, _BATCH)
    counts = [min(_BATCH, options.start + options.seeds - first) for first in firsts]
    with ProcessPoolExecutor(options.processes) as pool:
        for batch_struck, batch_answers, batch_failed in pool.map(_batch, firsts, counts):
            struck.update(batch_struck)
            answers.update(batch_answers)
            failed += batch_failed
    seconds = time.perf_counter() - began
    for name, times in sorted(answers.items()):
        _say(f"{times:9}  {name}")
    for fault in Fault:
        _say(f"{struck[fault]:9}  {fault.value}")
    _say(f"{options.seeds} histories in {seconds:.1f} s ({options.seeds / seconds:.0f} a second), {len(failed)} failed")
    for finding in failed:
        _say(f"failed: python -m tests.simulation {finding}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
