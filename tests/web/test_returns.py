"""Goods are given back over HTTP, against a real database, cache and PDI simulator."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
import redis

from tests.pdi import Pdi
from tests.web.counter import give_back, moved, quick_service, sold, until_settled
from tests.web.service import Service, running_service, settings
from tests.web.test_refusals import UNKNOWN, check_problem


@pytest.fixture
async def service(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Service]:
    async with quick_service(database_url, redis_url, pdi) as running:
        yield running


async def test_everything_goes_back(service: Service, pdi: Pdi) -> None:
    """With neither items nor an amount; in the published words, and in PDI's books, once."""
    session = await sold(service)
    reply = await give_back(service, session)
    assert 200 == reply.status
    expected = {
        "sessionId": session,
        "returnId": "RET-1",
        "status": "returned",
        "pointsReversed": 450,
        "pointsRestored": 0,
        "remainingPoints": 0,
        "sessionStatus": "returned",
    }
    assert expected == reply.json
    assert list(expected) == list(reply.json)
    assert (450, 0) == await moved(pdi)
    assert 5000 == (await pdi.customer("CUST-12345"))["points"]


async def test_some_of_it_goes_back_by_line_and_by_amount(service: Service, pdi: Pdi) -> None:
    """By position, by SKU and by amount, until nothing is left; the status tells each return."""
    session = await sold(service)
    parts: list[dict[str, Any]] = [
        {"items": [{"line": 0, "qty": 1}]},
        {"items": [{"sku": "DIESEL", "qty": 2.5}, {"line": 0, "sku": "COFFEE", "qty": 0.5}]},
        {"amount": 10.00},
        {},
    ]
    replies = [await give_back(service, session, f"RET-{number}", **part) for number, part in enumerate(parts)]
    assert [200] * 4 == [reply.status for reply in replies]
    assert [75, 112, 30, 233] == [reply.json["pointsReversed"] for reply in replies]
    assert ["partially_returned"] * 3 + ["returned"] == [reply.json["sessionStatus"] for reply in replies]
    assert (450, 0) == await moved(pdi)
    status = await service.status(session)
    assert ("returned", 450, 450) == (status["status"], status["earnedPoints"], status["pointsReversed"])
    assert [(f"RET-{number}", "returned") for number in range(4)] == [
        (shown["returnId"], shown["status"]) for shown in status["returns"]
    ]
    nothing_left = await give_back(service, session, "RET-more")
    check_problem(nothing_left, 422, "over_return")


async def test_a_repeat_gets_the_same_bytes(service: Service, redis_url: str, pdi: Pdi) -> None:
    """The same payload by meaning, whoever still remembers it; another payload is refused."""
    session = await sold(service)
    first = await give_back(service, session, items=[{"line": 0, "qty": 1}])
    again = [await give_back(service, session, items=[{"line": 0, "qty": 1.0, "sku": None}]) for _ in range(2)]
    with redis.Redis.from_url(redis_url) as cache:
        cache.flushdb()
    again.append(await give_back(service, session, items=[{"qty": 1, "line": 0}]))
    assert [(200, first.body, "true")] * 3 == [
        (reply.status, reply.body, reply.headers.get("Idempotent-Replayed")) for reply in again
    ]
    assert "Idempotent-Replayed" not in first.headers
    for other in ({"items": [{"line": 0, "qty": 2}]}, {"amount": 50}, {}):
        check_problem(await give_back(service, session, **other), 422, "transaction_mismatch")
    assert (75, 0) == await moved(pdi)


async def test_a_return_that_pdi_does_not_answer_is_promised(service: Service, pdi: Pdi) -> None:
    """202 with where to look and when; the worker settles it once, and repeats then get the final 200."""
    session = await sold(service)
    await pdi.faults("drop_after_commit", endpoints=["return"])
    promised = await give_back(service, session, amount=50)
    assert 202 == promised.status
    assert f"/getSessionStatus?sessionId={session}" == promised.headers["Location"]
    assert int(promised.headers["Retry-After"]) >= 1
    assert ("accepted", 150, 300, "finalized") == tuple(
        promised.json[name] for name in ("status", "pointsReversed", "remainingPoints", "sessionStatus")
    )
    (shown,) = (await service.status(session))["returns"]
    assert ("accepted", True) == (shown["status"], shown["delivery"]["queued"])
    repeated = await give_back(service, session, amount=50)
    assert (202, promised.body, "true") == (repeated.status, repeated.body, repeated.headers["Idempotent-Replayed"])
    await pdi.faults()
    await until_settled(service)
    final = await give_back(service, session, amount=50)
    assert (200, "returned", 150, "partially_returned") == (
        final.status, final.json["status"], final.json["pointsReversed"], final.json["sessionStatus"]
    )  # fmt: skip
    assert (150, 0) == await moved(pdi)


async def test_a_return_of_a_sale_that_is_still_owed_waits_for_it(service: Service, pdi: Pdi) -> None:
    """202; the sale is booked first, and then taken back."""
    await pdi.faults("http_503", endpoints=["finalize"])
    session = await sold(service, status=202)
    promised = await give_back(service, session)
    assert (202, "finalizing", 450) == (
        promised.status, promised.json["sessionStatus"], promised.json["pointsReversed"]
    )  # fmt: skip
    assert [] == await pdi.ledger()
    await pdi.faults()
    await until_settled(service)
    assert ["accrual", "reversal"] == [entry["kind"] for entry in await pdi.ledger()]
    assert "returned" == (await service.status(session))["status"]


async def test_a_return_of_a_sale_that_pdi_refuses_is_void(service: Service, pdi: Pdi) -> None:
    """Nothing was booked, so nothing is taken back; a repeat says so."""
    await pdi.faults("rate_limited", endpoints=["finalize"], retryAfterSeconds=0)
    session = await sold(service, status=202)
    assert 202 == (await give_back(service, session)).status
    await pdi.faults("reject", endpoints=["finalize"])
    await until_settled(service)
    status = await service.status(session)
    assert "failed" == status["status"]
    assert [("void", "sale_not_booked")] == [(shown["status"], shown["failure"]) for shown in status["returns"]]
    refused = await give_back(service, session)
    check_problem(refused, 409, "settlement_failed")
    assert ("sale_not_booked", True) == (refused.json["reason"], "queued return" in refused.json["detail"])
    assert [] == await pdi.ledger()


async def test_a_return_that_pdi_refuses_leaves_nothing(service: Service, pdi: Pdi) -> None:
    """400 with PDI's reason; under the same id the call is judged afresh once PDI thinks better of it."""
    session = await sold(service)
    await pdi.faults("reject", endpoints=["return"])
    refused = await give_back(service, session)
    check_problem(refused, 400, "pdi_rejected")
    assert refused.json["reason"]
    assert ("finalized", []) == ((status := await service.status(session))["status"], status["returns"])
    await pdi.faults()
    assert 200 == (await give_back(service, session, amount=1)).status
    assert (3, 0) == await moved(pdi)


async def test_wrong_bodies_say_what_to_change(service: Service, pdi: Pdi) -> None:
    """In the API's words, whether the body alone is wrong or does not fit the sale; nothing is on record."""
    session = await sold(service)
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"returnId": "not an id"}, "returnId", "must be 1 to 64 characters"),
        ({"items": []}, "items", "must have an entry"),
        ({"items": [{"line": 0, "qty": 1}], "amount": 5}, "amount", "must be left out"),
        ({"items": [{"line": 0}]}, "items[0].qty", "is required"),
        ({"items": [{"qty": 1}]}, "items[0]", "must name a line, or a SKU"),
        ({"items": [{"line": 0, "qty": 0}]}, "items[0].qty", "must be more than 0"),
        ({"items": [{"line": 0, "qty": 1.00005}]}, "items[0].qty", "must have at most 4 decimals"),
        ({"items": [{"line": 0, "qty": "1"}]}, "items[0].qty", "must be a number"),
        ({"items": [{"line": 0, "qty": 1, "price": 1}]}, "items[0].price", "is not a field of this call"),
        ({"items": [{"line": 2, "qty": 1}]}, "items[0].line", "must be a line of the sale: 0 to 1"),
        ({"items": [{"line": 0, "qty": 1}, {"line": -1, "qty": 1}]}, "items[1].line", "must be a line of the sale"),
        ({"items": [{"line": 0, "sku": "DIESEL", "qty": 1}]}, "items[0].sku", "is not the SKU of line 0"),
        ({"items": [{"sku": "TEA", "qty": 1}]}, "items[0].sku", "is on no line of the sale"),
        ({"items": [{"line": 0, "qty": 1}] * 501}, "items", "must have at most 500 entries"),
        ({"amount": 0}, "amount", "must be more than 0"),
        ({"amount": -1}, "amount", "must not be negative"),
        ({"amount": 1.005}, "amount", "must have at most 2 decimals"),
    ]
    for body, field, sentence in wrong:
        reply = await service.post("/return", {"sessionId": session, "returnId": "RET-1", **body})
        check_problem(reply, 400, "validation_failed")
        (error,) = reply.json["errors"]
        assert (field, sentence) == (error["field"], error["message"][: len(sentence)])
    for body in ({"items": [{"line": 0, "qty": 2.0001}]}, {"amount": 150.01}):
        check_problem(await give_back(service, session, **body), 422, "over_return")
    assert [] == (await service.status(session))["returns"]
    assert 0 == await pdi.calls("return")


async def test_a_sku_on_several_lines_has_to_be_told_apart(service: Service) -> None:
    """The error names the positions to choose from."""
    session = (await service.identify()).json["sessionId"]
    twice = [{"sku": "TEA", "qty": 1, "unitPrice": 1.00}] * 2
    body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 2, "applyRewards": True, "items": twice}
    assert 200 == (await service.post("/finalize", body)).status
    ambiguous = await give_back(service, session, items=[{"sku": "TEA", "qty": 1}])
    check_problem(ambiguous, 400, "validation_failed")
    assert "is on lines 0, 1 of the sale; name the line" == ambiguous.json["errors"][0]["message"]
    assert 200 == (await give_back(service, session, items=[{"sku": "TEA", "line": 1, "qty": 1}])).status


async def test_what_cannot_be_returned(service: Service) -> None:
    """No session, another client's, one that was not finalized, and a version that has passed."""
    check_problem(await give_back(service, UNKNOWN), 404, "session_not_found")
    check_problem(await give_back(service, "nonsense"), 404, "session_not_found")
    opened = (await service.identify("T-1")).json["sessionId"]
    refused = await give_back(service, opened)
    check_problem(refused, 409, "illegal_transition")
    assert ("active", ["calculateRewards", "finalize", "cancel"]) == (
        refused.json["sessionStatus"], refused.json["allowed"]
    )  # fmt: skip
    session = await sold(service, "T-2")
    stranger = (await service.new_key("stranger", "SHOP-*")).text
    hidden = await service.post("/return", {"sessionId": session, "returnId": "RET-1"}, key=stranger)
    check_problem(hidden, 404, "session_not_found")
    stale = await service.post("/return", {"sessionId": session, "returnId": "R"}, headers={"If-Match": '"1"'})
    check_problem(stale, 412, "version_mismatch")


async def test_a_sale_without_rewards_is_returned_without_pdi(service: Service, pdi: Pdi) -> None:
    """There is nothing to take back, and PDI away makes no difference; nor does it at the second return."""
    session = (await service.identify()).json["sessionId"]
    body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": False}
    await service.post("/finalize", body)
    await pdi.faults("reset")
    for number, what in enumerate(({"amount": 50}, {})):
        reply = await give_back(service, session, f"RET-{number}", **what)
        assert (200, 0) == (reply.status, reply.json["pointsReversed"])
    assert "returned" == (await service.status(session))["status"]


async def test_a_hundred_equal_returns(service: Service, database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Spread over two processes: one reversal in PDI's books, one answer for every till."""
    session = await sold(service)
    async with running_service(settings(database_url, redis_url, pdi), key=service.key) as other:
        replies = await asyncio.gather(
            *(give_back(till, session, items=[{"line": 0, "qty": 1}]) for till in (service, other) for _ in range(50))
        )
    assert {(200, replies[0].body)} == {(reply.status, reply.body) for reply in replies}
    assert 99 == sum("Idempotent-Replayed" in reply.headers for reply in replies)
    assert (75, 0) == await moved(pdi)
    assert 1 == await pdi.calls("return")


async def test_tills_that_race_take_back_no_more_than_was_sold(
    service: Service, database_url: str, redis_url: str, pdi: Pdi
) -> None:
    """Forty different returns of 10.00 of a sale of 150.00, over two processes: fifteen succeed, however they meet."""
    session = await sold(service)
    async with running_service(settings(database_url, redis_url, pdi), key=service.key) as other:
        replies = await asyncio.gather(
            *(give_back((service, other)[n % 2], session, f"RET-{n}", amount=10) for n in range(40))
        )
        taken = [reply for reply in replies if reply.status in {200, 202}]
        refused = {reply.refusal for reply in replies if reply.status not in {200, 202}}
        assert refused <= {(422, "over_return"), (409, "concurrent_update"), (409, "in_flight")}
        await until_settled(service)
        last = await give_back(service, session, "RET-rest")
        assert last.status == 200 or (len(taken) == 15 and last.refusal == (422, "over_return"))
    assert len(taken) <= 15
    assert (450, 0) == await moved(pdi)
    assert ("returned", 450) == ((status := await service.status(session))["status"], status["pointsReversed"])


async def test_answers_fit_the_published_description(service: Service, pdi: Pdi) -> None:
    """A return that settled, one that was promised, one that was refused, and a status that shows them."""
    document = (await service.get("/schema/openapi.json", key="")).json
    session = await sold(service)
    settled = await give_back(service, session, amount=1)
    await pdi.faults("reset", endpoints=["return"])
    promised = await give_back(service, session, "RET-2", amount=1)
    refused = await give_back(service, session, "RET-3", amount=1000)
    status = await service.get(f"/getSessionStatus?sessionId={session}")
    assert [200, 202, 422, 200] == [reply.status for reply in (settled, promised, refused, status)]
    for path, method, reply in (
        ("/return", "post", settled),
        ("/return", "post", promised),
        ("/return", "post", refused),
        ("/getSessionStatus", "get", status),
    ):
        content = document["paths"][path][method]["responses"][str(reply.status)]["content"]
        schema = content[reply.headers["Content-Type"]]["schema"]
        jsonschema_rs.validate({**schema, "components": document["components"]}, reply.json)
