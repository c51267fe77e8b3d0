"""Somebody who does not wait for the night: a sale is lost from PDI's books, and found missing by two commands."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta

from tests.pdi import Pdi
from tests.web.counter import sold
from tests.web.service import Service


async def _loyalty(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """The exit code of `loyalty ...` in a process of its own, and what it wrote to its two streams."""
    command = (sys.executable, "-m", "loyalty_web.cli", *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_today_is_compared_as_of_tomorrow(service: Service, environment: dict[str, str], pdi: Pdi) -> None:
    """Of two sales the one that PDI has lost is reported, with its day and what to do."""
    lost = await sold(service, "LOST-1")
    await sold(service, "KEPT-1")
    await pdi.tamper("lose", transactionId="LOST-1")
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await asyncio.sleep(1.1)  # what is younger than a second is left to the next run
    ran = await _loyalty(environment, "jobs", "run", "reconcile", "--now", midnight.isoformat())
    assert (0, True) == (ran[0], "found 1" in ran[1]), ran
    code, told, _ = await _loyalty(environment, "reconcile", "report", "--json")
    (finding,) = json.loads(told)["findings"]
    assert 3 == code
    assert (lost, "missing_at_host", f"{now:%Y-%m-%d}") == (finding["sessionId"], finding["kind"], finding["day"])
    later = midnight + timedelta(days=1, seconds=1)
    code, _, refused = await _loyalty(environment, "jobs", "run", "reconcile", "--now", later.isoformat())
    assert (2, True) == (code, "lies in the future" in refused)
