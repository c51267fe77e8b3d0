"""The control API: books, tampering, accounts, counters."""

from typing import Any

import aiohttp
import pytest

from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi


async def sale(caller: Caller, transaction: str, customer: str = "LOAD-0") -> str:
    """One finalized sale of 300 points; its PDI session."""
    session_id = await caller.session(transaction, customer)
    assert (await caller.finalize(session_id, transaction, f"{transaction}:1")).status == 200
    return session_id


async def test_ledger_filters(pdi: Pdi, caller: Caller) -> None:
    """Each filter narrows the list; one that nobody knows is refused rather than ignored."""
    first = await sale(caller, "T1")
    await sale(caller, "T2", "LOAD-1")
    for query in (
        {"transactionId": "T1"},
        {"customerId": "LOAD-0"},
        {"pdiSessionId": first},
        {"idempotencyKey": "T1:1"},
        {"transactionId": "T1", "kind": "accrual"},
    ):
        assert [entry["transactionId"] for entry in await pdi.ledger(**query)] == ["T1"]
    assert await pdi.ledger(transactionId="T1", kind="reversal") == []
    with pytest.raises(RuntimeError, match="unknown here"):
        await pdi.ledger(transaction="T1")


async def test_long_ledger_is_streamed_whole(pdi: Pdi, caller: Caller) -> None:
    """More entries than one piece holds come as one valid list, each once, in order."""
    session_id = await caller.session("T1", "LOAD-0")
    body = {"sessionId": session_id, "transactionId": "T1", "finalAmount": 1, "applyRewards": True}
    pipelined = [
        caller.request_bytes("POST", "/finalize", body, f"k:{number}", close=number == 19) for number in range(20)
    ]
    wire = await caller.raw(b"".join(pipelined))
    assert (wire.data.count(b"HTTP/1.1 200 OK"), wire.end) == (20, "fin")
    doubled = 20
    while doubled <= 4000:
        doubled += len(await pdi.tamper("double", transactionId="T1"))
    entries = await pdi.ledger()
    assert list(range(1, doubled + 1)) == [entry["number"] for entry in entries]


@pytest.mark.parametrize(
    ("action", "target", "points", "balance"),
    [
        ("lose", {"transactionId": "T1"}, [], 0),
        ("double", {"transactionId": "T1", "kind": "accrual"}, [300, 300], 600),
        ("change", {"number": 1, "points": 7}, [7], 7),
    ],
)
async def test_tampering(
    pdi: Pdi, caller: Caller, action: str, target: dict[str, Any], points: list[int], balance: int
) -> None:
    """Ledger, session status and balance follow the falsification; the answer of record does not; a restart agrees."""
    session_id = await sale(caller, "T1")
    await pdi.tamper(action, **target)
    for _ in range(2):
        assert points == [entry["points"] for entry in await pdi.ledger()]
        status = (await caller.status(session_id)).body
        assert (sum(points), points) == (status["earnedPoints"], [commit["points"] for commit in status["commits"]])
        assert balance == (await pdi.customer("LOAD-0"))["points"]
        assert (await caller.finalize(session_id, "T1", "T1:1")).body["newBalance"] == 300
        await pdi.restart()
        await caller.fetch_token()


@pytest.mark.parametrize(
    "body",
    [
        {"action": "burn", "number": 1},
        {"action": "lose"},
        {"action": "lose", "number": 1, "transactionId": "T1"},
        {"action": "change", "number": 1},
        {"action": "lose", "number": 1, "points": 1},
        {"action": "lose", "nomber": 1},
        {"action": "lose", "number": 99},
    ],
)
async def test_senseless_tampering_is_refused(pdi: Pdi, body: dict[str, Any]) -> None:
    """A test that tampers with nothing must not pass for that reason."""
    with pytest.raises(RuntimeError, match=r"40[04]"):
        await pdi.control("POST", "/_sim/ledger/tamper", body)


async def test_accounts_can_be_made_and_changed(pdi: Pdi, caller: Caller) -> None:
    """A new account can be identified; a change of tier and of suspension is seen at once."""
    await pdi.put_customer("NEW-1", name="Nora New", tier="Silver", points=40)
    reply = (await caller.identify("T1", "NEW-1")).body
    assert (reply["customerName"], reply["currentPoints"], reply["tier"]) == ("Nora New", 40, "Silver")
    session_id = reply["sessionId"]
    await pdi.put_customer("NEW-1", name="Nora New", tier="Gold", points=40, suspended=True)
    assert (await caller.finalize(session_id, "T1")).body["code"] == "customer_suspended"
    await pdi.put_customer("NEW-1", name="Nora New", tier="Gold", points=40)
    assert (await caller.calculate(session_id)).body["earnedPoints"] == 450


async def test_program_can_disagree(pdi: Pdi, caller: Caller) -> None:
    """Another rate gives another quote; an empty change goes back to the default; nonsense is refused."""
    session_id = await caller.session("T1", "LOAD-0")
    await pdi.program(pointsPerUnit=2.5)
    assert (await caller.calculate(session_id)).body["earnedPoints"] == 375
    await pdi.program()
    assert (await caller.calculate(session_id)).body["earnedPoints"] == 300
    for nonsense in ({"pointsPerUnit": "NaN"}, {"pointsPerUnit": -1}, {"rate": 3}):
        with pytest.raises(RuntimeError, match="400"):
            await pdi.program(**nonsense)


async def test_stats_count_what_arrived(pdi: Pdi, caller: Caller) -> None:
    """Calls, statuses, and the log with idempotency key and traceparent; control calls are not counted."""
    session_id = await caller.session("T1")
    await caller.status("pdi_nowhere")
    body = {"sessionId": session_id, "transactionId": "T1", "finalAmount": 1, "applyRewards": True}
    await caller.post("/finalize", body, "k:1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    stats = await pdi.stats(recent=1)
    assert stats["calls"] == {"token": 1, "identify": 1, "getSessionStatus": 1, "finalize": 1}
    assert stats["statuses"]["getSessionStatus"] == {"404": 1}
    [call] = stats["recent"]
    expected = ("finalize", "k:1", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", 200, None)
    assert expected == tuple(call[name] for name in ("endpoint", "idempotencyKey", "traceparent", "status", "fault"))


async def test_reset_empties_everything(pdi: Pdi, caller: Caller) -> None:
    """Books, balances, faults and counters are as on the first day, on disk too; the key may be used again."""
    session_id = await sale(caller, "T1", "CUST-12345")
    await pdi.faults("http_500")
    await pdi.reset()
    for _ in range(2):
        assert await pdi.ledger() == []
        assert (await pdi.customer("CUST-12345"))["points"] == 5000
        assert (await pdi.control("GET", "/_sim/faults"))["rules"] == []
        assert (await pdi.stats())["calls"] == {}
        await pdi.restart()
    await caller.fetch_token()
    assert (await caller.status(session_id)).status == 404
    await sale(caller, "T1", "CUST-12345")


async def test_paths_and_methods(pdi: Pdi, caller: Caller) -> None:
    """What is not there is 404; a wrong method is 405 with `Allow`; a HEAD gets no body."""
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/_sim/nothing", 404),
        ("GET", "/finalize", 405),
        ("DELETE", "/_sim/ledger", 405),
        ("HEAD", "/_sim/health", 405),
    ):
        async with aiohttp.request(method, pdi.url + path) as response:
            assert status == response.status
            assert (status == 405) == ("Allow" in response.headers)
    wire = await caller.raw(b"HEAD /_sim/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (wire.body, wire.end) == (b"", "fin")
