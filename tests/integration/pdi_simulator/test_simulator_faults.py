"""Every fault does on the wire what its row of the table says, books what it says, and is counted."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loyalty_adapters.pdi_simulator import faults
from tests.integration.pdi_simulator.caller import FORM, Caller, Wire, basic
from tests.pdi import Pdi

MODES = (
    "ok",
    "latency",
    "timeout",
    "http_500",
    "http_503",
    "rate_limited",
    "garbage",
    "truncated",
    "wrong_types",
    "huge",
    "slow_headers",
    "slow_body",
    "drop_after_commit",
    "late_success",
    "duplicate_reply",
    "reset",
    "reject",
    "unauthorized",
    "token_down",
    "session_lost",
)
BOOKS = {"garbage", "truncated", "wrong_types", "huge", "drop_after_commit", "duplicate_reply", "ok", "latency"}
BOOKS |= {"slow_headers", "slow_body", "late_success"}


async def finalize(caller: Caller, *, seconds: float = 5, close: bool = True) -> Wire:
    """One finalize of transaction T1 under the key `k:1` on a connection of its own."""
    body = {"sessionId": await caller.session("T1"), "transactionId": "T1", "finalAmount": 150, "applyRewards": True}
    return await caller.raw(caller.request_bytes("POST", "/finalize", body, "k:1", close=close), seconds=seconds)


async def booked(pdi: Pdi) -> Sequence[str]:
    """The keys in the ledger."""
    return [entry["idempotencyKey"] for entry in await pdi.ledger()]


def status_of(wire: Wire) -> int:
    return int(wire.head.split(b" ")[1])


class TestOnTheWire:
    async def test_latency(self, pdi: Pdi, caller: Caller) -> None:
        """The honest reply, not before its time."""
        await pdi.faults("latency", latencyMs=150, endpoints=["finalize"])
        started = time.monotonic()
        wire = await finalize(caller)
        assert time.monotonic() - started >= 0.15
        assert (status_of(wire), json.loads(wire.body)["earnedPoints"]) == (200, 450)

    async def test_latency_books_even_when_the_client_has_gone(self, pdi: Pdi, caller: Caller) -> None:
        """A slow PDI carries out what a client no longer waits for."""
        await pdi.faults("latency", latencyMs=200, endpoints=["finalize"])
        assert (await finalize(caller, seconds=0.05)).end == "open"
        await pdi.until_at_work(0)
        assert await booked(pdi) == ["k:1"]

    async def test_timeout(self, pdi: Pdi, caller: Caller) -> None:
        """Nothing comes, nothing is booked, the connection stays."""
        await pdi.faults("timeout", endpoints=["finalize"])
        wire = await finalize(caller, seconds=0.3)
        assert (wire.data, wire.end) == (b"", "open")
        assert await booked(pdi) == []

    async def test_late_success(self, pdi: Pdi, caller: Caller) -> None:
        """Nothing comes; what the client gave up on is booked later, and not sooner."""
        await pdi.faults("late_success", latencyMs=300, endpoints=["finalize"])
        wire = await finalize(caller, seconds=0.1)
        assert (wire.data, wire.end) == (b"", "open")
        assert await booked(pdi) == []
        assert await pdi.faults_at_work() == 1
        await pdi.until_at_work(0)
        assert await booked(pdi) == ["k:1"]

    @pytest.mark.parametrize(
        ("mode", "status", "code"),
        [
            ("http_500", 500, "internal_error"),
            ("http_503", 503, "unavailable"),
            ("rate_limited", 429, "rate_limited"),
            ("reject", 422, "transaction_rejected"),
            ("unauthorized", 401, "invalid_token"),
            ("session_lost", 404, "session_unknown"),
        ],
    )
    async def test_refusals(self, pdi: Pdi, caller: Caller, mode: str, status: int, code: str) -> None:
        """A well-formed reply with its status and code, and nothing booked."""
        await pdi.faults(mode, endpoints=["finalize"])
        await caller.fetch_token()
        wire = await finalize(caller)
        assert (status, code) == (status_of(wire), json.loads(wire.body)["code"])
        assert await booked(pdi) == []

    async def test_refusals_can_be_worded(self, pdi: Pdi, caller: Caller) -> None:
        """`reject` takes a status and a code, `rate_limited` its `Retry-After`."""
        await pdi.faults("reject", status=400, code="invalid_customer")
        reply = await caller.identify("T1")
        assert (reply.status, reply.body["code"]) == (400, "invalid_customer")
        await pdi.faults("rate_limited", retryAfterSeconds=7)
        assert (await caller.identify("T1")).headers["Retry-After"] == "7"

    async def test_garbage(self, pdi: Pdi, caller: Caller) -> None:
        """200, calls itself JSON, is neither that nor text."""
        await pdi.faults("garbage", endpoints=["finalize"])
        wire = await finalize(caller)
        assert status_of(wire) == 200
        assert b"application/json" in wire.head
        with pytest.raises(UnicodeDecodeError):
            json.loads(wire.body)

    async def test_truncated(self, pdi: Pdi, caller: Caller) -> None:
        """Fewer bytes than `Content-Length` promises, then the end."""
        await pdi.faults("truncated", endpoints=["finalize"])
        wire = await finalize(caller, close=False)
        assert (status_of(wire), wire.end) == (200, "fin")
        assert 0 < len(wire.body) < wire.content_length

    async def test_wrong_types(self, pdi: Pdi, caller: Caller) -> None:
        """The right names, and not one value of the right type."""
        await pdi.faults("wrong_types", endpoints=["finalize"])
        body = json.loads((await finalize(caller)).body)
        types = {name: type(value) for name, value in body.items()}
        expected = {"sessionId": list, "status": list, "earnedPoints": str, "newBalance": str, "receiptId": list}
        assert expected == types

    async def test_huge(self, pdi: Pdi, caller: Caller) -> None:
        """More than 10 MiB of otherwise sound JSON, without a length in advance."""
        await pdi.faults("huge", endpoints=["finalize"])
        wire = await finalize(caller)
        assert b"chunked" in wire.head
        assert len(wire.body) > 10 * 1024 * 1024
        assert wire.data.endswith(b'"}\r\n0\r\n\r\n')
        reply = await caller.finalize(await caller.session("T1"), "T1", "k:1")
        assert reply.body["earnedPoints"] == 450

    async def test_slow_headers(self, pdi: Pdi, caller: Caller) -> None:
        """The head comes in many pieces, over its time."""
        await pdi.faults("slow_headers", latencyMs=300, endpoints=["finalize"])
        started = time.monotonic()
        wire = await finalize(caller)
        assert time.monotonic() - started >= 0.3
        assert wire.reads > 10
        assert json.loads(wire.body)["earnedPoints"] == 450
        halfway = await finalize(caller, seconds=0.1)
        assert b"\r\n\r\n" not in halfway.data

    async def test_slow_body(self, pdi: Pdi, caller: Caller) -> None:
        """The head comes at once, the body in many pieces, over its time."""
        await pdi.faults("slow_body", latencyMs=300, endpoints=["finalize"])
        halfway = await finalize(caller, seconds=0.1)
        assert b"\r\n\r\n" in halfway.data
        assert 0 < len(halfway.body) < halfway.content_length
        wire = await finalize(caller)
        assert wire.reads > 10
        assert json.loads(wire.body)["earnedPoints"] == 450

    async def test_drop_after_commit(self, pdi: Pdi, caller: Caller) -> None:
        """Booked, then cut without a byte."""
        await pdi.faults("drop_after_commit", endpoints=["finalize"])
        wire = await finalize(caller, close=False)
        assert (wire.data, wire.end) == (b"", "fin")
        assert await booked(pdi) == ["k:1"]

    async def test_reset(self, pdi: Pdi, caller: Caller) -> None:
        """An RST, no byte, nothing booked."""
        await pdi.faults("reset", endpoints=["finalize"])
        wire = await finalize(caller, close=False)
        assert (wire.data, wire.end) == (b"", "rst")
        assert await booked(pdi) == []

    async def test_duplicate_reply(self, pdi: Pdi, caller: Caller) -> None:
        """Two whole replies for one request, one commit."""
        await pdi.faults("duplicate_reply", endpoints=["finalize"])
        wire = await finalize(caller)
        first, second = wire.data[: len(wire.data) // 2], wire.data[len(wire.data) // 2 :]
        assert first == second
        assert first.startswith(b"HTTP/1.1 200 OK")
        assert await booked(pdi) == ["k:1"]

    async def test_session_lost_can_last_one_call(self, pdi: Pdi, caller: Caller) -> None:
        """With `times` 1 the session is back for the same key, as after a new identify."""
        await pdi.faults("session_lost", endpoints=["finalize"], times=1)
        session_id = await caller.session("T1")
        assert (await caller.finalize(session_id, "T1", "k:1")).status == 404
        assert session_id == await caller.session("T1")
        assert (await caller.finalize(session_id, "T1", "k:1")).status == 200

    @pytest.mark.parametrize(
        ("mode", "status", "body"),
        [
            ("token_down", 503, {"code": "unavailable", "message": "PDI is not available.", "details": {}}),
            ("unauthorized", 401, {"error": "invalid_client"}),
            ("reject", 400, {"error": "unauthorized_client"}),
            ("wrong_types", 200, None),
        ],
    )
    async def test_the_token_endpoint_has_faults_too(
        self, pdi: Pdi, caller: Caller, mode: str, status: int, body: Any
    ) -> None:
        """Down, refusing, or talking nonsense, while the five calls go on with the old token."""
        await pdi.faults(mode, endpoints=["token"])
        headers = FORM | basic(pdi.client_id, pdi.client_secret)
        reply = await caller.send("POST", "/oauth/token", b"grant_type=client_credentials", headers)
        assert status == reply.status
        if body is None:
            assert list is type(reply.body["access_token"])
        else:
            assert body == reply.body
        assert (await caller.identify("T1")).status == 200


@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_fires_is_counted_and_books_what_its_row_says(pdi: Pdi, caller: Caller, mode: str) -> None:
    """One call per mode: one count, the ledger as promised, and afterwards a PDI in good health."""
    endpoint = "token" if mode == "token_down" else "finalize"
    waits = {} if mode not in {"latency", "late_success", "slow_headers", "slow_body"} else {"latencyMs": 60}
    await pdi.faults(mode, endpoints=[endpoint], **waits)
    if mode == "token_down":
        headers = FORM | basic(pdi.client_id, pdi.client_secret)
        await caller.send("POST", "/oauth/token", b"grant_type=client_credentials", headers)
    else:
        await finalize(caller, seconds=0.3)
    await pdi.until_at_work(0)
    state = await pdi.control("GET", "/_sim/faults")
    assert ({mode: 1}, {mode: {endpoint: 1}}) == (state["fired"], state["firedByEndpoint"])
    assert [mode] == [call["fault"] for call in (await pdi.stats(recent=1))["recent"]]
    assert (["k:1"] if mode in BOOKS else []) == await booked(pdi)
    await pdi.faults("ok")
    assert status_of(await finalize(caller)) == 200
    assert await booked(pdi) == ["k:1"]


def test_every_mode_is_tested_and_described() -> None:
    """A mode without a test above or a row in the README is one that nobody can rely on."""
    assert set(faults.MODES) == set(MODES)
    table = Path(faults.__file__).with_name("README.md").read_text(encoding="utf-8").partition("on the wire |")[2]
    assert [mode for mode in MODES if f"`{mode}`" not in table] == []


@pytest.mark.parametrize("mode", ["timeout", "http_500", "http_503", "reset", "garbage"])
async def test_where_the_mode_leaves_the_choice(pdi: Pdi, caller: Caller, mode: str) -> None:
    """`commits` decides whether the call is carried out before it goes wrong."""
    for commits, expected in ((False, []), (True, ["k:1"])):
        await pdi.faults(mode, endpoints=["finalize"], commits=commits)
        await finalize(caller, seconds=0.2)
        assert expected == await booked(pdi)


class TestChoice:
    async def test_probability_is_repeatable(self, pdi: Pdi, caller: Caller) -> None:
        """The same seed disturbs the same calls, another seed others, and about as many as it should."""
        patterns = []
        for seed in (7, 7, 8):
            await pdi.faults("http_500", probability=0.3, seed=seed, endpoints=["identify"])
            patterns.append([(await caller.identify("T1")).status for _ in range(100)])
        assert patterns[0] == patterns[1] != patterns[2]
        assert 15 <= patterns[0].count(500) <= 45

    async def test_times_and_skip(self, pdi: Pdi, caller: Caller) -> None:
        """The first `skip` calls pass, the next `times` fail, the rest pass."""
        await pdi.faults("http_503", skip=2, times=2)
        statuses = [(await caller.identify("T1")).status for _ in range(6)]
        assert statuses == [200, 200, 503, 503, 200, 200]

    async def test_the_first_rule_that_takes_a_call_has_it(self, pdi: Pdi, caller: Caller) -> None:
        """Rules are asked in order; each endpoint can have its own."""
        await pdi.put_faults(
            [
                {"mode": "http_500", "endpoints": ["identify"], "times": 1},
                {"mode": "http_503", "endpoints": ["identify", "getSessionStatus"]},
            ]
        )
        replies = [await caller.identify("T1"), await caller.identify("T1"), await caller.status("pdi_x")]
        assert [reply.status for reply in replies] == [500, 503, 503]

    async def test_a_bad_token_is_answered_before_any_fault(self, pdi: Pdi, caller: Caller) -> None:
        """A rule does not fire for a call that PDI would not even read."""
        await pdi.faults("http_500")
        caller.token = "stale"
        assert (await caller.identify("T1")).status == 401
        assert await pdi.fired("http_500") == 0

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            ({"mode": "explode"}, "no mode 'explode'"),
            ({"mode": "latency"}, "needs `latencyMs`"),
            ({"mode": "http_500", "endpoints": ["cancel"]}, "no endpoint 'cancel'"),
            ({"mode": "http_500", "endpoints": []}, "endpoints"),
            ({"mode": "http_500", "probability": 1.5}, "probability"),
            ({"mode": "http_500", "latencyMs": -1}, "latencyMs"),
            ({"mode": "http_500", "latency": 5}, "latency"),
            ({"mode": "token_down", "endpoints": ["finalize"]}, "means nothing at 'finalize'"),
            ({"mode": "session_lost", "endpoints": ["identify"]}, "means nothing at 'identify'"),
            ({"mode": "reject", "commits": True}, "never carries the call out"),
            ({"mode": "drop_after_commit", "commits": False}, "always carries the call out"),
            ({}, "mode"),
        ],
    )
    async def test_senseless_rules_are_refused(self, pdi: Pdi, rule: dict[str, Any], words: str) -> None:
        """The message says what is wrong, and the rules in force stay as they were."""
        await pdi.faults("http_503")
        with pytest.raises(RuntimeError, match=words.replace("(", r"\(")):
            await pdi.control("PUT", "/_sim/faults", rule)
        state = await pdi.control("GET", "/_sim/faults")
        assert [kept["mode"] for kept in state["rules"]] == ["http_503"]
