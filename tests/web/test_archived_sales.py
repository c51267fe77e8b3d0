"""A till cannot tell that a sale has been archived: every call on it answers as it would have, byte for byte."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import redis

from loyalty_core.use_cases.jobs import JobName
from tests.pdi import Pdi
from tests.web.counter import ITEMS, give_back, moved, sold, until_settled
from tests.web.service import Service

KEPT: Final = timedelta(days=31)
KEY: Final = "TXN-67890"


async def put_away(service: Service, database_url: str, redis_url: str) -> dict[str, int]:
    """Run the job as it will run in a month, with every answer cleared and the mirror empty; what it moved."""
    redis.Redis.from_url(redis_url).flushdb()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("TRUNCATE idempotency_answers")
    archive = service.container.jobs()[JobName.ARCHIVE_FINALIZED]
    batch = await archive(datetime.now(UTC) + KEPT, 100)
    assert batch.done
    return dict(batch.counts)


def _finalize(session: str) -> dict[str, Any]:
    return {"sessionId": session, "transactionId": KEY, "finalAmount": 150, "applyRewards": True}


async def test_repeated_calls_get_the_first_bytes(
    service: Service, pdi: Pdi, database_url: str, redis_url: str
) -> None:
    """Identify, finalize and return, spelled otherwise; the status; and PDI hears of none of it."""
    opened = await service.identify()
    session = opened.json["sessionId"]
    await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150, "items": ITEMS})
    settled = await service.post("/finalize", _finalize(session))
    returned = await give_back(service, session, amount=10)
    status = await service.get(f"/getSessionStatus?sessionId={session}")
    assert 1 == (await put_away(service, database_url, redis_url))["archived"]

    calls = sum((await pdi.stats())["calls"].values())
    again = [
        await service.identify(),
        await service.post("/finalize", dict(reversed(_finalize(session).items())) | {"finalAmount": 150.00}),
        await give_back(service, session, amount=10.0),
        await service.get(f"/getSessionStatus?sessionId={session}"),
    ]
    for first, second in zip((opened, settled, returned, status), again, strict=True):
        assert (first.status, first.body) == (second.status, second.body)
    assert ["true"] * 3 == [reply.headers["Idempotent-Replayed"] for reply in again[:3]]
    assert calls == sum((await pdi.stats())["calls"].values())


async def test_its_key_stays_refused(service: Service, database_url: str, redis_url: str) -> None:
    """Another payload under the key of an archived sale, or of its finalize, is a mismatch as ever."""
    session = await sold(service)
    await put_away(service, database_url, redis_url)
    assert (422, "transaction_mismatch") == (await service.identify(customer="CUST-OTHER")).refusal
    other = await service.post("/finalize", _finalize(session) | {"finalAmount": 149})
    assert (422, "transaction_mismatch") == other.refusal
    assert (409, "illegal_transition") == (await service.post("/cancel", {"sessionId": session})).refusal


async def test_a_cancelled_sessions_key_stays_free(service: Service, database_url: str, redis_url: str) -> None:
    """A session that gave its key back is archived without it: the key opens a new session, and that one sells."""
    first = (await service.identify()).json["sessionId"]
    await service.post("/cancel", {"sessionId": first})
    assert 1 == (await put_away(service, database_url, redis_url))["archived"]
    assert ("cancelled", 2) == await service.standing(first)
    second = await sold(service)
    assert first != second


async def test_a_return_takes_it_out_and_it_goes_back(
    service: Service, pdi: Pdi, database_url: str, redis_url: str
) -> None:
    """Goods of an archived sale come back, PDI away or not; once settled it is archived again, with all its returns."""
    session = await sold(service)
    await put_away(service, database_url, redis_url)
    first = await give_back(service, session, "RET-1", amount=50)
    assert (200, 150) == (first.status, first.json["pointsReversed"])
    assert {"archived": 1, "events": 6, "returns": 1, "held_back": 0} == await put_away(
        service, database_url, redis_url
    )
    await pdi.faults("http_503", endpoints=["return"])
    second = await give_back(service, session, "RET-2")
    assert 202 == second.status
    assert 0 == (await put_away(service, database_url, redis_url))["archived"], "it owes a return"
    await pdi.faults()
    await until_settled(service)
    assert 2 == (await put_away(service, database_url, redis_url))["returns"]
    assert (450, 0) == await moved(pdi)
    again = await give_back(service, session, "RET-1", amount=50)
    assert (first.status, first.body) == (again.status, again.body)
    assert "returned" == (await service.status(session))["status"]


async def test_a_month_that_was_taken_out_is_refused_in_words(
    service: Service, database_url: str, redis_url: str
) -> None:
    """Detached, a sale is no more to be found; its key is refused by a 422 that says so, and PDI is not asked."""
    session = await sold(service)
    await put_away(service, database_url, redis_url)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        names = await operator.execute(
            "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits"
            " JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'"
        )
        for archive, month in await names.fetchall():
            await operator.execute(f"ALTER TABLE {archive} DETACH PARTITION {month} CONCURRENTLY".encode())
    assert (422, "transaction_mismatch") == (await service.identify()).refusal
    for reply in (
        await service.get(f"/getSessionStatus?sessionId={session}"),
        await service.post("/finalize", _finalize(session)),
        await give_back(service, session),
    ):
        assert (404, "session_not_found") == reply.refusal
