import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from loyalty_adapters.observability.otlp import with_processor
from loyalty_adapters.observability.traces import TraceContext, read_traceparent
from loyalty_adapters.observability.tracing import Tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ASKED: Final = f"00-{TRACE}-{SPAN}-01"
NOT_ASKED: Final = f"00-{TRACE}-{SPAN}-00"


class Recorded:
    """Tracing, and what it has recorded."""

    def __init__(self, ratio: float = 0.0) -> None:
        self._exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._exporter)
        self.tracing = with_processor(processor, ratio=ratio, service="s", version="1", instance="i")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def names(self) -> list[str]:
        return [span.name for span in self.spans]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.tracing.close()


def _in_a_task_of_its_own(tracing: Tracing, traceparent: str | None = ASKED) -> None:
    """One request that touches every seam, as a server would run it."""

    async def serve() -> None:
        work = tracing.begin(traceparent)
        with tracing.statement("SELECT a FROM session_rows WHERE id = %(secret)s"):
            pass
        with tracing.redis("GET"):
            pass
        with tracing.pdi("finalize"):
            tracing.pdi_ended("finalize", "accepted", 0.1)
        tracing.answered(work, "POST", "/finalize", 200)

    asyncio.run(serve())


def test_a_request_and_its_parts(recorded: Recorded) -> None:
    """The server's span is named by method and template, and has the caller's for its parent; the parts are in it."""
    _in_a_task_of_its_own(recorded.tracing)
    *parts, request = recorded.spans
    assert ["SELECT session_rows", "GET", "PDI finalize"] == [part.name for part in parts]
    assert ("POST /finalize", SpanKind.SERVER) == (request.name, request.kind)
    assert request.context is not None
    assert request.parent is not None
    assert (TRACE, SPAN) == (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}")
    assert {request.context.span_id} == {part.parent.span_id for part in parts if part.parent is not None}
    assert {
        "http.request.method": "POST",
        "http.route": "/finalize",
        "http.response.status_code": 200,
    } == dict(request.attributes or {})
    assert {"pdi.endpoint": "finalize", "pdi.outcome": "accepted"} == dict(parts[2].attributes or {})
    assert "secret" not in str([dict(part.attributes or {}) for part in parts])


@pytest.mark.parametrize(
    ("ratio", "traceparent", "count"),
    [(0.0, ASKED, 4), (1.0, NOT_ASKED, 0), (1.0, None, 4), (0.0, None, 0), (1.0, "nonsense", 4)],
)
def test_the_callers_choice_goes_before_ours(ratio: float, traceparent: str | None, count: int) -> None:
    """Asked to record: recorded at any ratio. Asked not to: not. Not asked: by the ratio."""
    recorded = Recorded(ratio)
    _in_a_task_of_its_own(recorded.tracing, traceparent)
    assert count == len(recorded.spans)


def test_the_ratio_is_kept() -> None:
    """Of a thousand traces about a twentieth is recorded at 0.05."""
    recorded = Recorded(0.05)
    for _ in range(1000):
        work = recorded.tracing.begin(None)
        recorded.tracing.answered(work, "GET", "/x", 200)
    assert 20 < len(recorded.spans) < 90


def test_whoever_is_called_continues_the_trace(recorded: Recorded) -> None:
    """Within a call the header names that call's own span; also where nothing is recorded there is one."""

    async def call(traceparent: str | None) -> tuple[str, str]:
        recorded.tracing.begin(traceparent)
        with recorded.tracing.pdi("identify"):
            caller = read_traceparent(recorded.tracing.headers()["traceparent"])
        assert caller is not None
        return caller.trace_id, caller.span_id

    trace, span = asyncio.run(call(ASKED))
    assert recorded.spans[0].context is not None
    assert (TRACE, f"{recorded.spans[0].context.span_id:016x}") == (trace, span)
    assert TRACE == asyncio.run(call(NOT_ASKED))[0]


def test_an_error_is_recorded_by_its_kind_alone(recorded: Recorded) -> None:
    """What an error says may hold a name; that there was one, and which, may be known."""
    recorded.tracing.begin(ASKED)
    with pytest.raises(RuntimeError), recorded.tracing.pdi("identify"):
        raise RuntimeError("Ada Lovelace")
    (span,) = recorded.spans
    assert (StatusCode.ERROR, "RuntimeError") == (span.status.status_code, (span.attributes or {})["error.type"])
    assert "Ada" not in span.to_json()


def test_a_delivery_is_linked_to_the_call_that_promised_it(recorded: Recorded) -> None:
    """A new trace, with a link to the place where the promise was given; recorded because that was."""
    with recorded.tracing.root("deliver", origin=ASKED), recorded.tracing.pdi("finalize"):
        pass
    part, delivery = recorded.spans
    assert delivery.context is not None
    assert delivery.parent is None
    assert f"{delivery.context.trace_id:032x}" != TRACE
    (link,) = delivery.links
    assert (TRACE, SPAN) == (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}")
    assert part.parent is not None
    assert delivery.context.span_id == part.parent.span_id


def test_a_delivery_whose_promise_was_not_recorded_is_not(recorded: Recorded) -> None:
    """It still has a trace of its own for logs and timelines, and leaves it behind at its end."""
    before = recorded.tracing.current()
    with recorded.tracing.root("deliver", origin=NOT_ASKED) as work:
        assert work is recorded.tracing.current()
    assert before is recorded.tracing.current()
    assert () == recorded.spans


def test_work_side_by_side_keeps_apart(recorded: Recorded) -> None:
    """Two deliveries at once: each part is in its own delivery."""

    async def deliver(number: int) -> None:
        with recorded.tracing.root(f"deliver {number}", origin=ASKED):
            await asyncio.sleep(0)
            with recorded.tracing.pdi(f"call {number}"):
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(deliver(1), deliver(2))

    asyncio.run(both())
    by_name = {span.name: span for span in recorded.spans}
    for number in (1, 2):
        part, whole = by_name[f"PDI call {number}"], by_name[f"deliver {number}"]
        assert part.parent is not None
        assert whole.context is not None
        assert whole.context.span_id == part.parent.span_id


def test_without_a_tracer_everything_still_has_a_trace() -> None:
    """Ids for logs and timelines, headers for PDI, and no span anywhere."""
    tracing = Tracing(ratio=1.0)
    assert isinstance(tracing, TraceContext)
    _in_a_task_of_its_own(tracing, None)
    work = tracing.begin(None)
    assert {"traceparent": f"00-{work.trace_id}-{work.span_id}-00"} == tracing.headers()
    assert work.span is None


def test_work_recorded_elsewhere_does_not_disturb(recorded: Recorded) -> None:
    """A process may hold two tracings; one without a tracer records nothing of what the other has begun."""
    recorded.tracing.begin(ASKED)
    other = Tracing()
    with other.statement("SELECT 1"), other.redis("GET"), other.pdi("identify"):
        other.pdi_ended("identify", "accepted", 0.1)
    assert [] == recorded.names()
