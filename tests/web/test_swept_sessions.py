"""What a till notices of the jobs that clear away: nothing where it repeats itself, an honest no where it is late."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import redis

from loyalty_core.use_cases.jobs import Batch, JobName
from tests.pdi import Pdi
from tests.web.counter import ITEMS, give_back
from tests.web.service import Service

KEY: Final = "TXN-67890"


async def swept(service: Service, job: JobName, *, ahead: timedelta = timedelta(0)) -> Batch:
    """A batch of the job, as it will be run so much later."""
    return await service.container.jobs()[job](datetime.now(UTC) + ahead, 100)


def _finalize(session: str) -> dict[str, Any]:
    return {"sessionId": session, "transactionId": KEY, "finalAmount": 150, "applyRewards": True}


async def test_repeated_calls_get_the_first_bytes_after_their_answers_were_cleared(
    service: Service, pdi: Pdi, redis_url: str
) -> None:
    """Identify, finalize and return, with no answer kept anywhere: rebuilt, and PDI hears of none of it."""
    opened = await service.identify()
    session = opened.json["sessionId"]
    await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150, "items": ITEMS})
    settled = await service.post("/finalize", _finalize(session))
    returned = await give_back(service, session, amount=10)
    assert 0 == (await swept(service, JobName.CLEAR_CACHE)).taken
    assert 3 == (await swept(service, JobName.CLEAR_CACHE, ahead=timedelta(minutes=11))).taken
    redis.Redis.from_url(redis_url).flushdb()

    calls = sum((await pdi.stats())["calls"].values())
    again = [
        await service.identify(),
        await service.post("/finalize", _finalize(session)),
        await give_back(service, session, amount=10),
    ]
    for first, second in zip((opened, settled, returned), again, strict=True):
        assert (first.status, first.body, "true") == (
            second.status, second.body, second.headers["Idempotent-Replayed"]
        )  # fmt: skip
    assert calls == sum((await pdi.stats())["calls"].values())


async def test_a_session_that_was_swept_is_over(service: Service, database_url: str) -> None:
    """Its calls are refused as they were before the job came by, its status tells why, and its key opens another."""
    session = (await service.identify()).json["sessionId"]
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("UPDATE sessions SET expires_at = now() - interval '1 minute'")
    late = await service.post("/finalize", _finalize(session))
    assert 1 == (await swept(service, JobName.EXPIRE_SESSIONS)).taken
    refused = [
        late,
        await service.post("/finalize", _finalize(session)),
        await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 1, "items": []}),
        await service.post("/cancel", {"sessionId": session}),
    ]
    assert {(409, "session_expired")} == {reply.refusal for reply in refused}
    assert "failed" == (await service.status(session))["status"]
    opened = await service.identify()
    assert (201, True) == (opened.status, opened.json["sessionId"] != session)
    assert 200 == (await service.post("/finalize", _finalize(opened.json["sessionId"]))).status
