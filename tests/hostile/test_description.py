"""The published description held against the service: thousands of calls made from it, all checks of schemathesis.

`LOYALTY_FUZZ_CASES` says how many cases each phase makes of each call; `make fuzz` asks for many.
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.hostile.description_checks import SEEDS
from tests.hostile.target import Target

CASES: Final = os.environ.get("LOYALTY_FUZZ_CASES", "10")
FOLDER: Final = Path(__file__).parent
CALLS: Final = ("/identify", "/calculateRewards", "/finalize", "/cancel", "/return", "/getSessionStatus", "/sessions")
ITEMS: Final = [{"sku": "SKU-001", "qty": 1000, "unitPrice": 0.15}]
_COUNTER: Final = re.compile(r'loyalty_http_requests_total\{method="(\w+)",route="([^"]+)",status="(\dxx)"\} (\d+)')


async def test_the_service_does_what_its_description_says(target: Target) -> None:
    """Every case of every call, those that break the description included, gets an answer that the description allows.

    What happened is read from the service's own counters: each call succeeded and was refused, and nothing was a 5xx.
    """
    seeds = [seed for number in range(12) for seed in await _sales(target, number)]
    await _hold_to_description(target, "--header", f"Authorization: Bearer {target.key}", seeds=seeds)
    answered = await _answered(target)
    for path in CALLS:
        assert {"2xx", "4xx"} <= {status for _, route, status in answered if route == path}, path
    assert [] == [count for (_, _, status), count in answered.items() if status == "5xx"]


async def test_without_a_key_nothing_is_told(target: Target) -> None:
    """The same cases without a key: health alone answers; nobody gets as far as a 5xx."""
    before = await _answered(target)
    await _hold_to_description(target, "--exclude-checks", "positive_data_acceptance", "--phases", "fuzzing")
    after = await _answered(target)
    more = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    assert {"/health", "/health/ready", "/health/live", "/schema/openapi.json", "/metrics"} >= {
        route for (method, route, status) in more if status == "2xx" and method != "OPTIONS"
    }
    assert [] == [name for name in more if name[2] == "5xx"]
    assert sum(more.values()) > 50


async def _hold_to_description(target: Target, *options: str, seeds: list[dict[str, str]] | None = None) -> None:
    """One run of schemathesis; fails with its report."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml"), "run"]
    command += [f"{target.url}/schema/openapi.json", "--max-examples", CASES, "--no-color", *options]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=FOLDER.parents[1],
        env={**os.environ, SEEDS: json.dumps(seeds or [])},
    )
    try:
        report, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    sys.stdout.buffer.write(report)  # pytest shows it with -rP, or where this fails
    if process.returncode:
        pytest.fail("the service and its description differ: see the report")


async def _sales(target: Target, number: int) -> list[dict[str, str]]:
    """An open, a quoted, a settled and a cancelled sale, so that every call meets every state."""
    headers = {"Authorization": f"Bearer {target.key}"}
    async with aiohttp.ClientSession(target.url, headers=headers) as client:
        sales = [await _open(client, f"SEED-{number}-{name}") for name in ("open", "quoted", "settled", "cancelled")]
        _, quoted, settled, cancelled = (sale["sessionId"] for sale in sales)
        basket = {"transactionAmount": 150, "items": ITEMS}
        await _post(client, "/calculateRewards", {"sessionId": quoted, **basket})
        await _post(client, "/calculateRewards", {"sessionId": settled, **basket})
        pay = {"transactionId": sales[2]["transactionId"], "finalAmount": 150, "applyRewards": True}
        await _post(client, "/finalize", {"sessionId": settled, **pay})
        await _post(client, "/cancel", {"sessionId": cancelled})
    return sales


async def _open(client: aiohttp.ClientSession, transaction: str) -> dict[str, str]:
    opening = {"customerId": "CUST-12345", "channelId": "SEEDED", "transactionId": transaction}
    answer = await _post(client, "/identify", opening)
    return {"sessionId": answer["sessionId"], "transactionId": transaction}


async def _post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status < 300, answer
        return answer


async def _answered(target: Target) -> dict[tuple[str, str, str], int]:
    """How often each call was answered how, by method, route and status."""
    async with aiohttp.ClientSession() as client, client.get(f"{target.url}/metrics") as response:
        text = await response.text()
    return {(method, route, status): int(count) for method, route, status, count in _COUNTER.findall(text)}
