"""How much of what reaches PDI in an outage is said again: counted at PDI, over every minute of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pytest

from tests.faults.load import Load
from tests.faults.stack import Stack
from tests.faults.subject import every_replica_in_touch
from tests.faults.times import TIMES

_MINUTE: Final = 60.0 * TIMES.scale
_OUTAGE: Final = 1.2 * _MINUTE
_SHARE: Final = 0.2
_TERMINALS: Final = 4
_PROBE: Final = 1.0 * TIMES.scale
"""Seconds between two probes of a worker."""


@pytest.mark.timeout(60 + 4 * _OUTAGE)
async def test_an_outage_is_not_answered_with_repeats(stack: Stack) -> None:
    """In any minute at most a fifth of the first attempts is repeated, probes aside; and a probe comes alone."""
    worker, *others = stack.workers
    for other in others:
        other.pause()  # whose probes would mix with those that are to be told apart
    async with stack.till() as till:
        await every_replica_in_touch(stack, till)
        # Everything but the booking goes well: the circuits stay closed, and a worker that asks before it repeats is
        # told that nothing is booked. Of all outages this one invites the most repeats.
        await stack.pdi.faults("http_503", endpoints=["finalize"])
        already = sum((await stack.pdi.stats())["calls"].values())
        load = Load(till, customers=500, prefix="AGAIN", tries=1, seed=1)
        record = await load.run(terminals=_TERMINALS, seconds=_OUTAGE)
        seen = (await stack.pdi.stats(recent=10_000))["recent"][already:]
    await stack.pdi.put_faults([])
    assert worker.running
    sent = [call for call in seen if call["endpoint"] == "finalize"]
    firsts, repeats = _told_apart(sent)
    probes = _spaced(repeats)
    said_again = [at for at in repeats if at not in probes]
    figures = (
        f"{record.sales} sales, {len(firsts)} first attempts, {len(repeats)} repeats, {len(probes)} of them probes"
    )
    print(figures)  # noqa: T201 - the figures of the run
    assert await stack.pdi.fired("http_503") > 0
    assert len(firsts) >= 5
    assert len(repeats) > 0
    for moment in sorted(firsts + said_again):
        window = (moment, moment + _MINUTE)
        assert _within(said_again, window) <= _SHARE * _within(firsts, window)


def _told_apart(sent: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """When a key was seen for the first time, and when again."""
    firsts: list[float] = []
    repeats: list[float] = []
    known: set[str] = set()
    for call in sent:
        at = datetime.fromisoformat(call["at"]).timestamp()
        (repeats if call["idempotencyKey"] in known else firsts).append(at)
        known.add(call["idempotencyKey"])
    return firsts, repeats


def _spaced(repeats: Sequence[float]) -> set[float]:
    """The probes among them: no sooner than a probe's interval after the one before, late arrivals allowed for."""
    probes: list[float] = []
    for at in repeats:
        if not probes or at - probes[-1] >= 0.8 * _PROBE:
            probes.append(at)
    return set(probes)


def _within(moments: Sequence[float], window: tuple[float, float]) -> int:
    return sum(window[0] <= moment < window[1] for moment in moments)
