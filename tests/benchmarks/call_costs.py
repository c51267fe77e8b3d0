"""Processor time of the web processes for each call, turn by turn with the floors; and what each sends to the database.

A round makes the same number of sales at the service and at its floors, call by call: all identifies here, all
identifies there, then all quotes. Processor time hardly moves with what else the machine does, so this comes first.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tests.benchmarks import terminals
from tests.benchmarks.captured import Captured
from tests.benchmarks.sales import CALLS, observations, request
from tests.benchmarks.stack import HOST, Stack
from tests.benchmarks.table import Row, against, alone
from tests.benchmarks.terminals import Job, Report, Request
from tests.faults.ledger_check import Observation

TERMINALS: Final = 16
REPLAY: Final = "finalize, repeated"
STEPS: Final = (*CALLS[:3], REPLAY, CALLS[3])
"""In an order in which each call finds what it needs."""
_FLOOR: Final = "FLOOR"
"""Before the transactions of floors, whose sales at PDI are no concern of the ledger check."""
_RATIO: Final = 1.5
_REPLAY_RATIO: Final = 1.3
_ROUND_TRIPS: Final = dict(zip(CALLS, (2, 2, 4, 1), strict=True))


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    rows: list[Row]
    heard: list[Observation]
    """At the service, for the ledger check."""
    per_call: dict[str, float]
    """Microseconds of the web processes, by step."""


async def call_costs(stack: Stack, captured: Captured, prefix: str, *, rounds: int, sales: int) -> Costs:
    """Measure `rounds` rounds of `sales` sales.

    Raises:
        RuntimeError: a call was not answered as it should be.
    """
    found: dict[tuple[str, str], list[float]] = {}
    heard: list[Observation] = []
    for number in range(rounds + 1):
        made = f"{prefix}{number}"
        # The first round only warms everything up.
        for batch in await _round(stack, made, sales if number else max(100, sales // 5)):
            if number:
                found.setdefault((batch.step, batch.name), []).append(batch.cost)
            if batch.name == "web":
                heard += observations(made, [batch.step.partition(",")[0]], [batch.report])
    medians = {key: statistics.median(costs) for key, costs in found.items()}
    return Costs(
        rows=list(_rows(medians, captured)), heard=heard, per_call={step: medians[step, "web"] for step in STEPS}
    )


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The same step of many sales at one program."""

    step: str
    name: str
    cost: float
    """Microseconds of processor time for each call."""
    report: Report


async def _round(stack: Stack, prefix: str, count: int) -> list[_Batch]:
    done = []
    sessions: dict[str, list[str]] = {}
    for step in STEPS:
        for name in ("web", "call", "http"):
            if name == "http" and step == REPLAY:
                continue
            asked = [
                _request(
                    step,
                    name,
                    prefix if name == "web" else f"{_FLOOR}{prefix}",
                    number,
                    sessions.get(name, [""] * count)[number],
                )
                for number in range(count)
            ]
            batch = await _measured(stack, step, name, asked)
            if step == "identify":
                answers = sorted(batch.report.heard, key=lambda answer: answer.sale)
                sessions[name] = [json.loads(answer.body or "{}").get("sessionId", "") for answer in answers]
            done.append(batch)
    return done


def _request(step: str, name: str, prefix: str, number: int, session: str) -> Request:
    if step != REPLAY:
        return request(step, prefix, number, session)
    same = request("finalize", prefix, number, session)
    return same if name == "web" else Request("/replay", same.body)


async def _measured(stack: Stack, step: str, name: str, asked: Sequence[Request]) -> _Batch:
    address = stack.subject if name == "web" else stack.floors[name]
    program = stack.programs["web" if name == "web" else f"{name}-floor"]
    before = program.cpu_seconds()
    report = await terminals.run(
        Job(host=HOST, port=address.port, key=address.key, sales=[[each] for each in asked], terminals=TERMINALS)
    )
    spent = program.cpu_seconds() - before
    terminals.held(report, f"{step} at {program.name}")
    return _Batch(step=step, name=name, cost=spent / len(asked) * 1e6, report=report)


def _rows(medians: Mapping[tuple[str, str], float], captured: Captured) -> Iterator[Row]:
    for call in CALLS:
        yield against(f"{call}: CPU per call", medians[call, "web"], medians[call, "call"], "us", _RATIO)
    yield against(f"{REPLAY}: CPU per call", medians[REPLAY, "web"], medians[REPLAY, "call"], "us", _REPLAY_RATIO)
    for call in CALLS:
        yield against(f"{call}: HTTP alone", medians[call, "web"], medians[call, "http"], "us", None)
    for call in CALLS:
        yield alone(f"{call}: SQL round trips", captured.round_trips[call], "", _ROUND_TRIPS[call])
