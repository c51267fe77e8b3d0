"""A client reads its own ended sessions over HTTP, and nobody else's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from loyalty_core.ports.api_keys import Scope
from tests.web.counter import give_back, sold
from tests.web.service import Service
from tests.web.test_refusals import check_problem


async def listed(service: Service, query: str = "", *, key: str | None = None) -> list[dict[str, Any]]:
    reply = await service.get(f"/sessions{query}", key=key)
    assert 200 == reply.status
    assert reply.json["nextCursor"] is None
    sessions: list[dict[str, Any]] = reply.json["sessions"]
    return sessions


async def test_what_ended_is_listed_as_it_ended(service: Service) -> None:
    """Settled, returned and cancelled ones, those that ended first coming first; open ones do not come."""
    first = await sold(service, "T-1")
    second = await sold(service, "T-2")
    cancelled = (await service.identify("T-3")).json["sessionId"]
    await service.post("/cancel", {"sessionId": cancelled})
    await service.identify("T-4")
    await give_back(service, first, amount=50)
    sessions = await listed(service)
    assert [(second, "finalized"), (cancelled, "cancelled"), (first, "partially_returned")] == [
        (shown["sessionId"], shown["status"]) for shown in sessions
    ]
    assert (450, 150, "T-1", "POS-001", "CUST-12345") == tuple(
        sessions[2][name] for name in ("earnedPoints", "pointsReversed", "transactionId", "channelId", "customerId")
    )
    document = (await service.get("/schema/openapi.json", key="")).json
    schema = document["paths"]["/sessions"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    reply = await service.get("/sessions")
    jsonschema_rs.validate({**schema, "components": document["components"]}, reply.json)


async def test_by_status_and_time(service: Service) -> None:
    """One status, several, and those that ended since."""
    first = await sold(service, "T-1")
    cancelled = (await service.identify("T-2")).json["sessionId"]
    await service.post("/cancel", {"sessionId": cancelled})
    assert [first] == [shown["sessionId"] for shown in await listed(service, "?status=finalized")]
    assert [first, cancelled] == [
        shown["sessionId"] for shown in await listed(service, "?status=cancelled&status=finalized")
    ]
    assert [] == await listed(service, "?status=failed")
    since = (await listed(service))[1]["closedAt"]
    assert [cancelled] == [shown["sessionId"] for shown in await listed(service, f"?settledSince={since}")]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert [] == await listed(service, f"?settledSince={quote(soon)}")


async def test_pages(service: Service) -> None:
    """A hundred at a time; the cursor of a page leads to the next."""
    for number in range(103):
        session = (await service.identify(f"T-{number}")).json["sessionId"]
        await service.post("/cancel", {"sessionId": session})
    first = (await service.get("/sessions")).json
    second = (await service.get(f"/sessions?cursor={first['nextCursor']}")).json
    assert (100, 3, None) == (len(first["sessions"]), len(second["sessions"]), second["nextCursor"])
    assert [f"T-{number}" for number in range(103)] == [
        shown["transactionId"] for shown in (*first["sessions"], *second["sessions"])
    ]


async def test_nobody_elses(service: Service) -> None:
    """Neither another client's sessions, nor those of channels that the key may not use."""
    session = await sold(service, "T-1")
    stranger = (await service.new_key("stranger", "SHOP-*")).text
    narrow = (await service.new_key("demo", "POS-002")).text
    fitting = (await service.new_key("demo", "POS-001")).text
    assert [] == await listed(service, key=stranger)
    assert [] == await listed(service, key=narrow)
    assert [session] == [shown["sessionId"] for shown in await listed(service, key=fitting)]
    check_problem(await service.get("/sessions", key=""), 401, "unauthenticated")
    operator = (await service.new_key("demo", "POS-*", scopes=(Scope.OPS,))).text
    check_problem(await service.get("/sessions", key=operator), 403, "scope_missing")


async def test_wrong_queries_say_what_to_change(shared: Service) -> None:
    """Each names its parameter."""
    for query, field in (
        ("?status=open", "status"),
        ("?status=active", "status"),
        ("?settledSince=yesterday", "settledSince"),
        ("?settledSince=2026-01-01T00:00:00", "settledSince"),
        ("?cursor=nonsense", "cursor"),
    ):
        reply = await shared.get(f"/sessions{query}")
        check_problem(reply, 400, "validation_failed")
        assert field == reply.json["errors"][0]["field"]
