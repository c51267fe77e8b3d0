"""A hundred tills that send the same call at the same moment: one session, one booking, one answer."""

import asyncio
from typing import Any

from tests.pdi import Pdi
from tests.web.service import Reply, Service

TILLS = 100


async def at_once(service: Service, path: str, body: Any) -> list[Reply]:
    return await asyncio.gather(*(service.post(path, body) for _ in range(TILLS)))


async def test_a_hundred_equal_identifies(service: Service) -> None:
    """One session, and every till hears of it in the same bytes."""
    body = {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "T-1"}
    replies = await at_once(service, "/identify", body)
    assert {(201, replies[0].body)} == {(reply.status, reply.body) for reply in replies}
    assert TILLS - 1 == sum("Idempotent-Replayed" in reply.headers for reply in replies)


async def test_a_hundred_equal_finalizes(service: Service, pdi: Pdi) -> None:
    """PDI's books hold one commit; every till is told of it in the same bytes."""
    session = (await service.identify("T-1")).json["sessionId"]
    body = {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
    replies = await at_once(service, "/finalize", body)
    assert {(200, replies[0].body)} == {(reply.status, reply.body) for reply in replies}
    assert 1 == len(await pdi.ledger(transactionId="T-1"))
    assert 1 == await pdi.calls("finalize")


async def test_a_hundred_equal_quotes(service: Service) -> None:
    """They all get figures, and none an error; the session has one quote."""
    session = (await service.identify("T-1")).json["sessionId"]
    body = {"sessionId": session, "transactionAmount": 150}
    replies = await at_once(service, "/calculateRewards", body)
    assert {(200, 450)} == {(reply.status, reply.json["earnedPoints"]) for reply in replies}
    assert 450 == (await service.status(session))["quote"]["earnedPoints"]
