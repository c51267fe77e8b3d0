"""A thousand hostile inputs in every call: an answer that the description allows, and no trace of them anywhere."""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NamedTuple

import aiohttp
import pytest

from tests.hostile.corpus import CALLS, Attack, Call, attacks
from tests.hostile.corpus.calls import KEY, SESSION
from tests.hostile.target import Target, lines_of, settled
from tests.wire import Answer, Line

SLICE: Final = 5
"""In the gate every call meets every fifth attack, each another fifth; all of them in the slow suite."""
MOST_GROWTH: Final = 24 * 1024 * 1024
"""Bytes of memory beyond those after the first attacks: what allocators keep, and no more."""
LARGEST_REFUSAL: Final = 2048
"""Bytes: nobody gets back what they have sent."""
UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What breaks or disguises a line for those who read it, in the text of a log."""
AMISS: Final = frozenset({404, 405})
"""What an input may get, beside what the description says, where it has changed the address of the call."""


class Met(NamedTuple):
    """What an attack came to."""

    call: Call
    attack: Attack
    answer: Answer | None

    def __str__(self) -> str:
        told = "no answer" if self.answer is None else f"{self.answer.status} {self.answer.body[:200]!r}"
        return f"{self.call.path}, {self.attack.name}: {told}"


def test_there_are_a_thousand() -> None:
    """Each has a name of its own, and can be made of every call."""
    names = [attack.name for attack in attacks()]
    assert 1000 <= len(names)
    assert len(names) == len(set(names))
    for call in CALLS:
        assert set(names) == {attack.name for attack in attacks() if attack.on(call).encode()}


async def test_a_slice_of_them_hurts_nothing(target: Target) -> None:
    """Every fifth attack on each call, so that all of them are met by some call."""
    await _under_attack(target, SLICE)


@pytest.mark.slow
async def test_none_of_them_hurts_anything(target: Target) -> None:
    """Every attack on every call."""
    await _under_attack(target, 1)


async def _under_attack(target: Target, slice_: int) -> None:
    allowed = await _documented(target)
    rows = target.rows()
    at_first = [met async for met in _attack(target, list(attacks())[::25])]
    before = target.resident_bytes
    met = [*at_first, *[met async for met in _attack(target, list(attacks()), slice_)]]
    grown = target.resident_bytes - before
    assert [] == [str(one) for one in met if not _is_allowed(one, allowed)]
    assert [] == [str(one) for one in met if one.call.method == "POST" and one.answer and one.answer.status < 400]
    assert [] == [str(one) for one in met if one.answer and not _is_well_formed(one.answer)]
    assert rows == target.rows()
    assert grown < MOST_GROWTH, f"{grown} bytes more than after {len(at_first)} attacks"
    _check_log(await settled(target), len(met))


async def _attack(target: Target, all_: Iterable[Attack], slice_: int = 1) -> AsyncIterator[Met]:
    """Each call under attack, one after the other on as few connections as the service leaves open."""
    async with Line(target.url) as line:
        for position, call in enumerate(CALLS):
            for number, attack in enumerate(all_):
                if (number + position) % slice_ == 0:
                    request = attack.on(call).encode()
                    for mark, meant in ((KEY, target.key), (SESSION, target.session)):
                        request = request.replace(mark.encode(), meant.encode())
                    yield Met(call, attack, await line.ask(request))


async def _documented(target: Target) -> dict[tuple[str, str], frozenset[int]]:
    """The statuses that the published description gives each call."""
    async with aiohttp.ClientSession() as client, client.get(f"{target.url}/schema/openapi.json") as response:
        paths: dict[str, Any] = (await response.json())["paths"]
    return {
        (method.upper(), path): frozenset(int(status) for status in operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def _is_allowed(met: Met, documented: dict[tuple[str, str], frozenset[int]]) -> bool:
    if met.answer is None:
        return False
    statuses = documented[met.call.method, met.call.path]
    if met.attack.name.startswith("target"):
        statuses |= AMISS
    return met.answer.status in statuses and met.answer.status < 500


def _is_well_formed(answer: Answer) -> bool:
    """JSON, a problem where it is an error, and with the headers that every answer carries."""
    kind = "application/problem+json" if answer.status >= 400 else "application/json"
    if answer.headers.get("x-content-type-options") != "nosniff" or "x-request-id" not in answer.headers:
        return False
    if answer.headers.get("content-type") != kind or not isinstance(answer.json, dict):
        return False
    return answer.status < 400 or (answer.json["status"] == answer.status and len(answer.body) < LARGEST_REFUSAL)


def _check_log(log: bytes, at_least: int) -> None:
    """A line for each call, every one a JSON object, none with anything in it that a reader would not see."""
    lines = list(lines_of(log))
    assert len(lines) > at_least // 2
    for line in lines:
        assert {"timestamp", "level", "service", "context", "message"} <= set(line)
    assert [] == [line for line in log.decode().split("\n") if UNSEEN.search(line)]
    assert [] == [line for line in lines if UNSEEN.search(" ".join(map(str, line.values())))]
    assert max(map(len, log.split(b"\n"))) < 2048
