import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import aiohttp
import pytest
from dependency_injector.providers import Object
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from loyalty_adapters.observability.otlp import with_processor
from loyalty_web.app import create_app
from loyalty_web.container import Container
from loyalty_web.host_settings import QueueSettings
from tests.pdi import Pdi
from tests.traces import no_work_left_behind
from tests.web.service import GOLD, Service, listening, settings

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
ASKED: Final = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}

__all__ = ["no_work_left_behind"]


class Traced(Service):
    """A service that records what it is asked to, and a till that asks it to."""

    exporter: InMemorySpanExporter

    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def of(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans() if span.name == name]
        return span

    async def begin_sale(self) -> dict[str, object]:
        body = {"customerId": GOLD, "channelId": "POS-001", "transactionId": "TXN-SECRET"}
        session = (await self.post("/identify", body, headers=ASKED)).json["sessionId"]
        sale = {"sessionId": session, "transactionAmount": 150.00}
        await self.post("/calculateRewards", sale, headers=ASKED)
        return {"sessionId": session, "transactionId": "TXN-SECRET", "finalAmount": 150.00, "applyRewards": True}


@pytest.fixture
async def traced(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Traced]:
    exporter = InMemorySpanExporter()
    recording = with_processor(SimpleSpanProcessor(exporter), ratio=0.0, service="s", version="1", instance="i")
    queue = QueueSettings(backoff_base=0.01, backoff_cap=0.01, probe_interval=0.01)
    container = Container(settings=settings(database_url, redis_url, pdi, queue=queue))
    container.traces.override(Object(recording))
    async with listening(create_app(container)) as url, aiohttp.ClientSession() as client:
        service = Traced(url, container, client, "")
        service.exporter = exporter
        service.key = (await service.new_key("demo", "POS-*")).text
        yield service


async def test_a_sale_from_the_till_to_pdi(traced: Traced, pdi: Pdi) -> None:
    """The till's trace goes on through the request, each statement, Redis and PDI, which is told of it."""
    await traced.post("/finalize", await traced.begin_sale(), headers=ASKED)
    assert {TRACE} == {f"{span.context.trace_id:032x}" for span in traced.spans() if span.context}
    request = traced.of("POST /finalize")
    assert (SpanKind.SERVER, "/finalize") == (request.kind, (request.attributes or {})["http.route"])
    parts = [span for span in traced.spans() if span.parent and request.context == span.parent]
    names = [span.name for span in parts]
    assert ["PDI finalize"] == [name for name in names if name.startswith("PDI")]
    assert {"GET", "SET", "UPDATE sessions"} <= set(names)
    call = traced.of("PDI finalize")
    assert {"pdi.endpoint": "finalize", "pdi.outcome": "accepted"} == dict(call.attributes or {})
    assert call.context is not None
    (told,) = [seen for seen in (await pdi.stats(recent=5))["recent"] if seen["endpoint"] == "finalize"]
    assert f"00-{TRACE}-{call.context.span_id:016x}-01" == told["traceparent"]


async def test_spans_hold_nothing_personal(traced: Traced) -> None:
    """Neither ids of customers, sales and sessions nor query strings, statements or keys are in any span."""
    sale = await traced.begin_sale()
    await traced.post("/finalize", sale, headers=ASKED)
    await traced.get(f"/getSessionStatus?sessionId={sale['sessionId']}", headers=ASKED)
    await traced.post("/identify", {"customerId": "NOBODY-7"}, headers=ASKED)
    told = "".join(span.to_json() for span in traced.spans())
    assert "GET /getSessionStatus" in told
    for secret in (GOLD, "TXN-SECRET", "NOBODY-7", "John", traced.key, str(sale["sessionId"]), "sess_", "WHERE", "?"):
        assert secret not in told, secret


async def test_a_late_delivery_is_linked_to_its_sale(traced: Traced, pdi: Pdi) -> None:
    """PDI silent: 202. The worker delivers in a trace of its own, linked to the very call that promised it."""
    sale = await traced.begin_sale()
    await pdi.faults("http_500", endpoints=["finalize"])
    assert 202 == (await traced.post("/finalize", sale, headers=ASKED)).status
    await pdi.faults("ok")
    async with asyncio.timeout(10):
        settled = 0
        while not settled:
            settled = (await traced.container.deliver_pending()()).settled
    request = traced.of("POST /finalize")
    delivery = next(span for span in traced.spans() if span.name == "deliver")
    (link,) = delivery.links
    assert request.context is not None
    assert delivery.context is not None
    assert (request.context.trace_id, request.context.span_id) == (link.context.trace_id, link.context.span_id)
    assert f"{delivery.context.trace_id:032x}" != TRACE
    within = [span.name for span in traced.spans() if span.parent == delivery.context]
    assert "PDI getSessionStatus" in within
    assert "UPDATE sessions" in within


async def test_nothing_is_recorded_unasked(traced: Traced) -> None:
    """At a ratio of nought a till that does not ask leaves no span, and its answer still names a trace."""
    answer = await traced.identify()
    assert 32 == len(answer.headers["x-request-id"])
    assert () == tuple(traced.spans())
