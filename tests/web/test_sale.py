"""The calls of a sale as the published examples give them, and what repeating them does."""

import json
from datetime import UTC, datetime, timedelta

from tests.pdi import Pdi
from tests.web.service import GOLD, Service


async def finish(service: Service, transaction: str = "TXN-67890") -> str:
    """A whole sale; its session."""
    session: str = (await service.identify(transaction)).json["sessionId"]
    await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150.00})
    await service.post(
        "/finalize",
        {"sessionId": session, "transactionId": transaction, "finalAmount": 150.00, "applyRewards": True},
    )
    return session


async def test_the_published_sale_to_the_digit(service: Service, pdi: Pdi) -> None:
    """The three calls of the published examples give their figures, and PDI's books hold the sale once."""
    opened = await service.post("/identify", {"customerId": GOLD, "channelId": "POS-001", "transactionId": "TXN-67890"})
    assert opened.status == 201
    session = opened.json["sessionId"]
    published = {"status": "active", "customerName": "John Doe", "currentPoints": 5000, "tier": "Gold"}
    assert published == {name: opened.json[name] for name in published}
    assert session.startswith("sess_")

    quoted = await service.post(
        "/calculateRewards",
        {"sessionId": session, "transactionAmount": 150.00, "items": [{"sku": "SKU-001", "qty": 2}]},
    )
    assert quoted.status == 200
    assert quoted.body.startswith(
        b'{"earnedPoints":450,"multiplier":3.0,"bonusPoints":150,"breakdown":{"basePoints":300,"tierBonus":150,'
    )

    final = await service.post(
        "/finalize", {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150.00, "applyRewards": True}
    )
    assert final.status == 200
    booked = {"sessionId": session, "status": "finalized", "earnedPoints": 450, "newBalance": 5450}
    assert booked == {name: final.json[name] for name in booked}
    assert final.json["receiptId"].startswith(f"RCP-{datetime.now(UTC).year}-")
    assert [450] == [entry["points"] for entry in await pdi.ledger(transactionId="TXN-67890")]


async def test_every_answer_is_kept_from_caches_and_named(service: Service) -> None:
    """No answer is stored on the way or taken for another type, and each can be named to support."""
    for answer in (await service.identify(), await service.get("/health", key=""), await service.get("/nothing")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(answer.headers["X-Request-Id"]) == 32


async def test_a_repeated_identify_gets_the_same_bytes(service: Service) -> None:
    """The same payload by meaning, its keys in another order, gets the first answer, marked as repeated."""
    body = {"customerId": GOLD, "channelId": "POS-001", "transactionId": "T-1", "metadata": {"a": 1.10, "b": 2}}
    first = await service.post("/identify", body)
    again = await service.post("/identify", dict(reversed(body.items())))
    assert (201, first.body) == (again.status, again.body)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_metadata_comes_back_as_it_was_sent(service: Service) -> None:
    """Notes of the POS are given back digit for digit."""
    body = (
        b'{"customerId":"CUST-12345","channelId":"POS-001","transactionId":"T-2",'
        b'"metadata":{"total":10.10,"big":12345678901234567890,"tiny":0.0000001,"nul":"\\u0000","deep":{"list":[1.50,null,true]}}}'
    )
    session = (await service.post("/identify", body)).json["sessionId"]
    status = await service.get(f"/getSessionStatus?sessionId={session}")
    given = json.loads(status.body, parse_float=str)["metadata"]
    assert "10.10" == given["total"]
    assert 12345678901234567890 == given["big"]
    assert float("1e-7") == float(given["tiny"])
    assert "\u0000" == given["nul"]
    assert ["1.50", None, True] == given["deep"]["list"]


async def test_a_repeated_finalize_gets_the_same_bytes(service: Service, pdi: Pdi) -> None:
    """``150`` is ``150.00``: the answer of record comes back, and PDI is not asked again."""
    session = await finish(service)
    body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True}
    once = await service.post("/finalize", body)
    twice = await service.post("/finalize", body)
    assert (200, once.body) == (twice.status, twice.body)
    assert twice.headers["Idempotent-Replayed"] == "true"
    assert await pdi.calls("finalize") == 1


async def test_a_finalize_that_pdi_does_not_answer_is_promised(service: Service, pdi: Pdi) -> None:
    """While PDI's outcome is unknown the POS gets 202, where to look, and when."""
    session = (await service.identify()).json["sessionId"]
    await pdi.faults("http_500", endpoints=["finalize"])
    body = {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True}
    promised = await service.post("/finalize", body)
    assert promised.status == 202
    assert promised.headers["Location"] == f"/getSessionStatus?sessionId={session}"
    assert int(promised.headers["Retry-After"]) >= 1
    assert ("finalizing", None, True) == tuple(promised.json[name] for name in ("status", "newBalance", "provisional"))
    assert (await service.get(promised.headers["Location"])).json["delivery"]["queued"]
    assert await pdi.fired("http_500") > 0


async def test_identify_and_quotes_go_on_without_pdi(service: Service, pdi: Pdi) -> None:
    """PDI away: the sale goes on with what is known, and says that it is provisional."""
    await service.identify("known")
    await pdi.faults("reset")
    opened = await service.identify("T-9")
    assert (201, True, "Gold") == (opened.status, opened.json["provisional"], opened.json["tier"])
    quoted = await service.post(
        "/calculateRewards", {"sessionId": opened.json["sessionId"], "transactionAmount": 150.00}
    )
    assert (200, True, 450) == (quoted.status, quoted.json["provisional"], quoted.json["earnedPoints"])


async def test_versions_are_entity_tags(service: Service) -> None:
    """A call that insists on the version it has read is refused once the session has moved on, and only then."""
    session = (await service.identify()).json["sessionId"]
    read = await service.get(f"/getSessionStatus?sessionId={session}")
    assert '"1"' == read.headers["ETag"]
    quote = {"sessionId": session, "transactionAmount": 10}
    assert (await service.post("/calculateRewards", quote, headers={"If-Match": '"1"'})).status == 200
    cancel = {"sessionId": session}
    for stale in ('"1"', '"abc"', 'W/"2"'):
        refused = await service.post("/cancel", cancel, headers={"If-Match": stale})
        assert (412, "version_mismatch") == refused.refusal
        assert refused.json["currentVersion"] == 2
    malformed = await service.post("/cancel", cancel, headers={"If-Match": "2"})
    assert ("If-Match", (400, "validation_failed")) == (malformed.json["errors"][0]["field"], malformed.refusal)
    assert (await service.post("/cancel", cancel, headers={"If-Match": '"2"'})).json["status"] == "cancelled"


async def test_a_cancelled_session_gives_its_transaction_back(service: Service) -> None:
    """Wrong card scanned: cancelled, then identified again under the same transaction."""
    wrong = (await service.identify(customer="CUST-BRONZE")).json["sessionId"]
    cancelled = await service.post("/cancel", {"sessionId": wrong, "reason": "wrong card"})
    assert {"sessionId": wrong, "status": "cancelled", "version": 2} == cancelled.json
    right = await service.identify()
    assert (201, "John Doe") == (right.status, right.json["customerName"])
    assert right.json["sessionId"] != wrong


async def test_a_late_upload_is_taken_for_thirty_days(service: Service) -> None:
    """A POS that was offline uploads with the time of the sale; too old, too new or without a zone is refused."""
    now = datetime.now(UTC)
    body = {"customerId": GOLD, "channelId": "POS-001", "transactionId": "T-old"}
    for wrong in (
        (now - timedelta(days=31)).isoformat(),
        (now + timedelta(hours=1)).isoformat(),
        "2026-01-01T10:00:00",
    ):
        refused = await service.post("/identify", {**body, "occurredAt": wrong})
        assert ("occurredAt", (400, "validation_failed")) == (refused.json["errors"][0]["field"], refused.refusal)
    late = await service.post("/identify", {**body, "occurredAt": (now - timedelta(days=29)).isoformat()})
    assert late.status == 201
