"""Every wrong call gets its documented status and code and a sentence to act on; it leaves nothing behind."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loyalty_core.ports.api_keys import Scope
from loyalty_web.api_keys import new_key
from tests.pdi import Pdi
from tests.web.service import GOLD, Reply, Service, running_service, settings

UNKNOWN = "sess_00000000000000000000000000000000"


def check_problem(reply: Reply, status: int, code: str) -> None:
    """The whole form of a problem."""
    assert (status, code) == reply.refusal
    problem = reply.json
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert (status, f"/docs#{code}") == (problem["status"], problem["type"])
    assert problem["title"]
    assert len(problem["detail"]) > 10
    assert reply.headers["X-Request-Id"] == problem["traceId"]


WRONG_AMOUNTS = [
    ("-1", "must not be negative"),
    ("1.005", "must have at most 2 decimals in USD"),
    ("1e400", "must be a number with fewer digits"),
    ("1e11", "must be less than"),
    ('"150.00"', "must be a number, without quotes"),
    ('"NaN"', "must be a number, without quotes"),
    ('"1_000"', "must be a number, without quotes"),
    ("true", "must be a number, without quotes"),
    ("null", "must be a number, without quotes"),
    ("[150]", "must be a number, without quotes"),
    ("0." + "1" * 60, "must be a number with fewer digits"),
    ("9" * 5000, "is not valid: Integer value out of range"),
]


@pytest.mark.parametrize(("amount", "sentence"), WRONG_AMOUNTS, ids=[amount[:12] for amount, _ in WRONG_AMOUNTS])
async def test_wrong_amounts_change_nothing(shared: Service, pdi: Pdi, amount: str, sentence: str) -> None:
    """Neither quote nor finalize takes an amount that is none; the corrected call then succeeds, under the same key."""
    transaction = f"T-{WRONG_AMOUNTS.index((amount, sentence))}"
    session = (await shared.identify(transaction)).json["sessionId"]
    quote = await shared.post("/calculateRewards", f'{{"sessionId":"{session}","transactionAmount":{amount}}}'.encode())
    check_problem(quote, 400, "validation_failed")
    (error,) = quote.json["errors"]
    assert "transactionAmount" == error["field"]
    assert error["message"].startswith(sentence)
    final = f'{{"sessionId":"{session}","transactionId":"{transaction}","finalAmount":%s,"applyRewards":true}}'
    refused = await shared.post("/finalize", (final % amount).encode())
    check_problem(refused, 400, "validation_failed")
    assert "finalAmount" == refused.json["errors"][0]["field"]
    assert ("active", 1) == await shared.standing(session)
    corrected = await shared.post("/finalize", (final % "150.00").encode())
    assert (200, 450) == (corrected.status, corrected.json["earnedPoints"])
    assert 1 == len(await pdi.ledger(transactionId=transaction))


IDENTIFY = {"customerId": GOLD, "channelId": "POS-1", "transactionId": "T"}
QUOTE = {"sessionId": UNKNOWN, "transactionAmount": 1}
FINALIZE = {"sessionId": UNKNOWN, "transactionId": "T", "finalAmount": 1, "applyRewards": True}
CANCEL = {"sessionId": UNKNOWN}
WRONG_BODIES = [
    ("/identify", {**IDENTIFY, "customerId": 5}, "customerId", "must be a string"),
    ("/identify", {"channelId": "POS-1", "transactionId": "T"}, "customerId", "is required"),
    ("/identify", {**IDENTIFY, "customerId": ""}, "customerId", "must be 1 to 64"),
    ("/identify", {**IDENTIFY, "transactionId": "a b"}, "transactionId", "must be 1 to 64"),
    ("/identify", {**IDENTIFY, "channelId": "P" * 65}, "channelId", "must be 1 to 64"),
    ("/identify", {**IDENTIFY, "metadata": {"a": {"b": {"c": [{}]}}}}, "metadata", "must not be nested"),
    ("/identify", {**IDENTIFY, "metadata": {"a": "x" * 4096}}, "metadata", "must not be larger"),
    ("/identify", {**IDENTIFY, "metadata": {"a": 10.0**300}}, "metadata", "must be a number with fewer digits"),
    ("/identify", [], "body", "must be an object, not an array"),
    ("/calculateRewards", {**QUOTE, "items": [{"sku": "A", "quantity": 1}]}, "items[0].quantity", "is not a field of"),
    ("/calculateRewards", {**QUOTE, "items": [{"sku": "A", "qty": 0}]}, "items[0].qty", "must be more than 0"),
    ("/calculateRewards", {**QUOTE, "items": [{"sku": "A", "qty": 1.00001}]}, "items[0].qty", "must have at most 4"),
    ("/calculateRewards", {**QUOTE, "items": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1, "unitPrice": -1}]},
     "items[1].unitPrice", "must not be negative"),
    ("/calculateRewards", {**QUOTE, "items": [{"sku": "A", "qty": 1}] * 501}, "items", "must have at most 500 entries"),
    ("/calculateRewards", {**QUOTE, "redeemPoints": 1.5}, "redeemPoints", "must be an integer"),
    ("/calculateRewards", {**QUOTE, "redeemPoints": 2**63}, "redeemPoints", "must be between"),
    ("/finalize", {**FINALIZE, "applyRewards": "yes"}, "applyRewards", "must be true or false"),
    ("/finalize", {**FINALIZE, "applyRewards": False, "redeemPoints": 5}, "redeemPoints", "must be left out"),
    ("/finalize", {**FINALIZE, "quoteId": "a b"}, "quoteId", "must be 1 to 64"),
    ("/cancel", {**CANCEL, "reason": "x" * 201}, "reason", "must be at most 200"),
    ("/cancel", {**CANCEL, "reason": "a\u0000b"}, "reason", "must be at most 200 printable"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "field", "sentence"), WRONG_BODIES)
async def test_wrong_bodies_name_the_field(shared: Service, path: str, body: Any, field: str, sentence: str) -> None:
    """The mistake is judged before the session is looked up; the field is named as the caller wrote it."""
    reply = await shared.post(path, body)
    check_problem(reply, 400, "validation_failed")
    assert field == reply.json["errors"][0]["field"]
    assert reply.json["errors"][0]["message"].startswith(sentence)


MALFORMED = [
    (b'{"sessionId": "s",\n "transactionAmount": 12,,}', "line 2, column 26"),
    (b'{"sessionId": NaN}', "line 1, column 15"),
    (b'{"sessionId": "s"', "ends too early"),
    (b'{"sessionId":"s","transactionAmount":1} x', "line 1, column 41"),
    (b"", "is empty"),
    (b'{"sessionId": "\xff"}', "is not UTF-8"),
    (b"\xef\xbb\xbf{}", "line 1, column 1"),
]


@pytest.mark.parametrize(("body", "sentence"), MALFORMED)
async def test_malformed_json_says_where(shared: Service, body: bytes, sentence: str) -> None:
    """A developer is told the line and the column."""
    reply = await shared.post("/calculateRewards", body)
    check_problem(reply, 400, "validation_failed")
    assert sentence in reply.json["detail"]


async def test_a_wrong_customer_leaves_nothing(service: Service, pdi: Pdi) -> None:
    """PDI's no is a 400 with its reason; the right customer is then identified under the same transaction."""
    for customer in ("CUST-NOBODY", "CUST-SUSPENDED"):
        refused = await service.identify("T-1", customer=customer)
        check_problem(refused, 400, "pdi_rejected")
        assert refused.json["reason"]
    assert (await service.identify("T-1")).status == 201
    assert [] == await pdi.ledger()


async def test_sessions_of_others_do_not_exist(service: Service) -> None:
    """Unknown, another client's, another channel's, and nonsense: the same 404, which tells nothing."""
    session = (await service.identify("T-1")).json["sessionId"]
    stranger = (await service.new_key("stranger", "KIOSK-*")).text
    neighbour = (await service.new_key("demo", "POS-002")).text
    expected = None
    for key, name in ((stranger, session), (neighbour, session), (None, UNKNOWN), (None, "sess_abc123"), (None, "?&#")):
        for reply in (
            await service.post("/calculateRewards", {"sessionId": name, "transactionAmount": 1}, key=key),
            await service.post(
                "/finalize",
                {"sessionId": name, "transactionId": "T-1", "finalAmount": 1, "applyRewards": True},
                key=key,
            ),
            await service.post("/cancel", {"sessionId": name}, key=key),
        ):
            check_problem(reply, 404, "session_not_found")
            told = {field: value for field, value in reply.json.items() if field != "traceId"}
            expected = expected or told
            assert expected == told
    assert (await service.get(f"/getSessionStatus?sessionId={session}", key=stranger)).status == 404
    assert ("active", 1) == await service.standing(session)


async def test_another_clients_answer_of_record_is_not_given_away(service: Service) -> None:
    """A settled session's answer comes from the cache; a stranger's repeat of the same body still finds nothing."""
    session = (await service.identify("T-1")).json["sessionId"]
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
    assert (await service.post("/finalize", body)).status == 200
    stranger = (await service.new_key("stranger", "KIOSK-*")).text
    check_problem(await service.post("/finalize", body, key=stranger), 404, "session_not_found")


async def test_keys_that_open_nothing(service: Service) -> None:
    """No key, a mangled one, an expired one, a revoked one, another scheme: 401, and how to do better."""
    revoked = await service.new_key("demo", "POS-9")
    await service.container.api_keys().revoke(revoked.id, datetime.now(UTC))
    expired = await service.new_key("demo", "POS-8", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    wrong_secret = service.key[:-1] + ("A" if service.key[-1] != "A" else "B")
    for key in ("", "nonsense", revoked.text, expired.text, wrong_secret, service.key + "x", "lk_" + "\u00e9" * 8):
        reply = await service.post("/cancel", {"sessionId": UNKNOWN}, key=key)
        check_problem(reply, 401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    basic = await service.post("/cancel", {}, key="", headers={"Authorization": f"Basic {service.key}"})
    check_problem(basic, 401, "unauthenticated")
    named = await service.post("/cancel", {"sessionId": UNKNOWN}, key="", headers={"X-API-Key": service.key})
    check_problem(named, 404, "session_not_found")


async def test_authentication_comes_before_all_else(service: Service) -> None:
    """A caller without a key learns nothing about its body, however wrong."""
    for body in (b"{", b"x" * 300_000, json.dumps({"sessionId": UNKNOWN}).encode()):
        check_problem(await service.post("/finalize", body, key=""), 401, "unauthenticated")


async def test_channels_and_scopes_of_a_key(service: Service) -> None:
    """A key acts for its channels only, and makes only the calls of its scopes."""
    check_problem(await service.identify("T-1", channel="KIOSK-1"), 403, "channel_not_allowed")
    operator = (await service.new_key("demo", "POS-*", scopes=(Scope.OPS,))).text
    refused = await service.post("/cancel", b"{", key=operator)
    check_problem(refused, 403, "scope_missing")
    assert "`pos`" in refused.json["detail"]


async def test_finalize_before_identify(service: Service, pdi: Pdi) -> None:
    """There is nothing to finalize; the sentence says what comes first."""
    body = {"sessionId": UNKNOWN, "transactionId": "T-1", "finalAmount": 1, "applyRewards": True}
    reply = await service.post("/finalize", body)
    check_problem(reply, 404, "session_not_found")
    assert "identify the customer first" in reply.json["detail"]
    assert [] == await pdi.ledger()


async def test_finalize_twice_with_another_amount(service: Service, pdi: Pdi) -> None:
    """The first amount stands; the second is refused with what to do instead."""
    session = (await service.identify("T-1")).json["sessionId"]
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
    first = await service.post("/finalize", body)
    other = await service.post("/finalize", {**body, "finalAmount": 151})
    check_problem(other, 422, "transaction_mismatch")
    assert "/return" in other.json["detail"]
    assert first.body == (await service.post("/finalize", body)).body
    assert [450] == [entry["points"] for entry in await pdi.ledger(transactionId="T-1")]


async def test_identify_twice_with_another_customer(service: Service) -> None:
    """The transaction is taken until the session is cancelled; the sentence says so."""
    await service.identify("T-1")
    other = await service.identify("T-1", customer="CUST-BRONZE")
    check_problem(other, 422, "transaction_mismatch")
    assert "cancel that session" in other.json["detail"]


async def test_calls_that_the_state_does_not_allow(service: Service) -> None:
    """A settled or cancelled session says where it stands and what is possible."""
    session = (await service.identify("T-1")).json["sessionId"]
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
    await service.post("/finalize", body)
    for reply in (
        await service.post("/cancel", {"sessionId": session}),
        await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 1}),
    ):
        check_problem(reply, 409, "illegal_transition")
        assert ("finalized", ["return"]) == (reply.json["sessionStatus"], reply.json["allowed"])


async def test_a_quote_that_no_longer_fits(service: Service) -> None:
    """Both figures are given, so that the POS can show the customer what changed."""
    session = (await service.identify("T-1")).json["sessionId"]
    quote = (await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150})).json
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 100, "applyRewards": True}
    reply = await service.post("/finalize", {**body, "quoteId": quote["quoteId"]})
    check_problem(reply, 409, "quote_changed")
    assert (450, 300) == (reply.json["quotedPoints"], reply.json["currentPoints"])
    corrected = await service.post("/finalize", {**body, "finalAmount": 150, "quoteId": quote["quoteId"]})
    assert (200, 450) == (corrected.status, corrected.json["earnedPoints"])


async def test_redemption_while_pdi_is_away(service: Service, pdi: Pdi) -> None:
    """Points are spent with PDI's consent or not at all; when to repeat is said."""
    session = (await service.identify("T-1")).json["sessionId"]
    await pdi.faults("reset")
    body = {"sessionId": session, "transactionAmount": 150, "redeemPoints": 1000}
    reply = await service.post("/calculateRewards", body)
    check_problem(reply, 503, "redemption_needs_pdi")
    assert int(reply.headers["Retry-After"]) >= 1


async def test_pdi_refuses_our_credentials(service: Service, pdi: Pdi) -> None:
    """The live finalize is taken back and says when to repeat; it can be repeated once PDI takes us again."""
    session = (await service.identify("T-1")).json["sessionId"]
    await pdi.faults("unauthorized", endpoints=["finalize"])
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
    reply = await service.post("/finalize", body)
    check_problem(reply, 503, "pdi_unauthorized")
    assert int(reply.headers["Retry-After"]) >= 1
    assert "active" == (await service.status(session))["status"]


async def test_paths_and_methods_there_are_none_of(service: Service) -> None:
    """Unknown paths and wrong methods are problems too."""
    check_problem(await service.get("/nothing/here"), 404, "not_found")
    wrong = await service.get("/finalize")
    check_problem(wrong, 405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]
    missing = await service.get("/getSessionStatus")
    check_problem(missing, 400, "validation_failed")
    assert "sessionId" in missing.json["detail"]


async def test_a_database_that_is_away(redis_url: str, pdi: Pdi, unused_tcp_port: int) -> None:
    """Storage away: the service starts, is healthy, and says 503 and when to repeat."""
    nowhere = f"postgresql://loyalty:secret@127.0.0.1:{unused_tcp_port}/loyalty"
    async with running_service(settings(nowhere, redis_url, pdi), key=new_key().text) as service:
        reply = await service.identify("T-1")
        check_problem(reply, 503, "storage_unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
        assert b"secret" not in reply.body
        assert (await service.get("/health", key="")).json["status"] == "healthy"


async def test_a_bug_says_nothing_of_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is a 500 with a trace id; the secret in its message goes nowhere, the log included."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret of the customer")

    monkeypatch.setattr(service.container.sessions(), "find_by_key", broken)
    reply = await service.identify("T-1")
    check_problem(reply, 500, "internal_error")
    assert b"secret" not in reply.body
