"""Sales to give back, over HTTP, and the worker that settles what was promised."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from loyalty_web.host_settings import QueueSettings
from tests.pdi import Pdi
from tests.web.service import Reply, Service, running_service, settings

ITEMS: Final = [
    {"sku": "COFFEE", "qty": 2, "unitPrice": 25.00},
    {"sku": "DIESEL", "qty": 10, "unitPrice": 10.00},
]
"""150.00 in two lines, a third and two thirds of it: 450 points for a Gold member."""
_PATIENCE: Final = 20


async def sold(service: Service, transaction: str = "TXN-67890", *, redeem: int = 0, status: int = 200) -> str:
    """A sale of `ITEMS`, finalized with that status; its session."""
    session: str = (await service.identify(transaction)).json["sessionId"]
    points = {"redeemPoints": redeem} if redeem else {}
    await service.post("/calculateRewards", {"sessionId": session, "transactionAmount": 150, "items": ITEMS, **points})
    body = {"sessionId": session, "transactionId": transaction, "finalAmount": 150, "applyRewards": True, **points}
    assert status == (await service.post("/finalize", body)).status
    return session


async def give_back(service: Service, session: str, return_id: str = "RET-1", **what: Any) -> Reply:
    """All that is left, unless told what."""
    return await service.post("/return", {"sessionId": session, "returnId": return_id, **what})


async def until_settled(service: Service) -> None:
    """Deliver, as a worker would, until nothing is owed that is not parked."""
    deadline = time.monotonic() + _PATIENCE
    while (await service.container.delivery_queue().depth()).waiting:
        assert time.monotonic() < deadline
        await service.container.deliver_pending()()
        await asyncio.sleep(0.02)


async def moved(pdi: Pdi, transaction: str = "TXN-67890") -> tuple[int, int]:
    """Points reversed and restored, by PDI's books."""
    entries = await pdi.ledger(transactionId=transaction)
    return (
        sum(entry["points"] for entry in entries if entry["kind"] == "reversal"),
        sum(entry["points"] for entry in entries if entry["kind"] == "restoration"),
    )


@asynccontextmanager
async def quick_service(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Service]:
    """A service that tries again at once."""
    queue = QueueSettings(backoff_base=0.01, backoff_cap=0.05, probe_interval=0.02)
    async with running_service(settings(database_url, redis_url, pdi, queue=queue)) as running:
        yield running
