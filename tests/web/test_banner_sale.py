"""The calls that are printed at the start of a development stack, pasted into a shell, against the real service."""

import asyncio
import json
import subprocess
from typing import Any

from loyalty_web.development.banner import Addresses, calls
from tests.pdi import Pdi
from tests.web.service import Service


async def test_the_printed_calls_make_a_sale_and_take_it_back(service: Service, pdi: Pdi) -> None:
    """Identify, quote, finalize, look, return; and the session of a customer who left is cancelled."""
    printed = calls(Addresses(service=service.url, pdi=pdi.url, database="", redis="", api_key=service.key))
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-eu"], input="\n".join(printed.values()), capture_output=True, text=True, check=True
    )
    answers: list[Any] = [json.loads(line) for line in done.stdout.splitlines() if line]
    opened, quote, final, status, returned, other, cancelled = answers
    assert "" == done.stderr
    assert ("John Doe", 450) == (opened["customerName"], quote["earnedPoints"])
    assert [opened["sessionId"]] * 3 == [answer["sessionId"] for answer in (final, status, returned)]
    assert ("finalized", "finalized", 450) == (final["status"], status["status"], final["earnedPoints"])
    assert ("returned", 450, 0, "returned") == tuple(
        returned[name] for name in ("status", "pointsReversed", "remainingPoints", "sessionStatus")
    )
    assert (other["sessionId"], "cancelled") == (cancelled["sessionId"], cancelled["status"])
    assert ["accrual", "reversal"] == [entry["kind"] for entry in await pdi.ledger()]
