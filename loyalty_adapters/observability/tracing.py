"""Spans at our own seams: the request, each statement, each Redis command, each call to PDI, each delivery.

Nothing here is automatic. Instrumentation that hooks into libraries costs as much as the work it watches, and records
what must not leave: query strings, statements with their values. And whether a trace is recorded is decided once, at
its beginning; where it is not, a seam costs the look at one context variable.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from typing_extensions import override

from loyalty_adapters.observability.sql_names import Operation, operation_of
from loyalty_adapters.observability.traces import Caller, Entered, Facts, TraceContext, Work, read_traceparent

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Seam: TypeAlias = AbstractContextManager[object]

_UNRECORDED: Final[Seam] = nullcontext()
_NOWHERE: Final = Context()
"""A context of our own, so that none that a library may have set has a say."""
_REQUEST: Final = "HTTP"
"""A server span's name until its route is known."""
_SERVER_ERROR: Final = 500


class Tracing(TraceContext):
    """Begins traces, joins those of callers, and records those that were chosen for it."""

    def __init__(
        self,
        *,
        ratio: float = 0.0,
        tracer: Tracer | None = None,
        chance: Callable[[], float] = random.random,
        close: Callable[[], None] | None = None,
    ) -> None:
        """`ratio` of the traces that begin here are recorded, with `tracer`; without one, none.

        A caller's own choice, carried in its `traceparent`, goes before ours.
        """
        self._ratio = ratio
        self._tracer = tracer
        self._chance = chance
        self._close = close
        self._operations: dict[str, Operation] = {}

    def close(self) -> None:
        """Send what is waiting to be sent, within a second."""
        if self._close is not None:
            self._close()

    # -- where work begins

    @override
    def begin(self, traceparent: str | None = None) -> Work:
        """Begin to work for one request; its task stays in the trace until it ends. `answered` closes the span."""
        caller = read_traceparent(traceparent)
        if self._tracer is None or not self._chosen(caller):
            return super().begin(traceparent)
        parent = None if caller is None else NonRecordingSpan(_ids(caller))
        work = _recorded(self._tracer, _REQUEST, SpanKind.SERVER, parent)
        self.enter(work)
        return work

    @override
    def answered(self, work: Work, method: str, route: str, status: int) -> None:
        span = work.span
        if span is None:
            return
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    @override
    def root(self, name: str, *, origin: str | None = None) -> AbstractContextManager[Work]:
        """Linked to the work that caused it, and recorded if that was.

        So a sale that can be looked at can be looked at to its end, however late that comes.
        """
        cause = read_traceparent(origin)
        if self._tracer is None or not self._chosen(cause):
            return super().root(name, origin=origin)
        links = () if cause is None else (Link(_ids(cause)),)
        return Entered(self, _recorded(self._tracer, name, SpanKind.CONSUMER, None, links=links))

    # -- the seams within

    def span(self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None) -> Seam:
        """A part of the current work; nothing where that is not recorded."""
        tracer, work = self._tracer, self.current()
        if tracer is None or work is None or work.span is None:
            return _UNRECORDED
        return Entered(self, _recorded(tracer, name, kind, work.span, attributes, facts=work.facts))

    def statement(self, text: str) -> Seam:
        """One SQL statement, named by what it does; neither its text nor its values are kept."""
        work = self.current()
        if self._tracer is None or work is None or work.span is None:
            return _UNRECORDED
        operation = self._operations.get(text)
        if operation is None:
            operation = self._operations[text] = operation_of(text)
        return self.span(operation.name, SpanKind.CLIENT, operation.attributes)

    def redis(self, command: str) -> Seam:
        """One Redis command, by its name alone."""
        return self.span(command, SpanKind.CLIENT, {"db.system.name": "redis", "db.operation.name": command})

    def pdi(self, endpoint: str) -> Seam:
        """One call to PDI; `pdi_ended` says within it how it ended."""
        return self.span(f"PDI {endpoint}", SpanKind.CLIENT, {"pdi.endpoint": endpoint})

    def pdi_ended(self, _endpoint: str, outcome: str, _seconds: float) -> None:
        """The class of how the call of the current span ended."""
        work = self.current()
        if work is not None and work.span is not None:
            work.span.set_attribute("pdi.outcome", str(outcome))

    # -- inside

    def _chosen(self, decided: Caller | None) -> bool:
        return self._chance() < self._ratio if decided is None else decided.is_sampled


def _recorded(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    parent: Span | None,
    attributes: Attributes | None = None,
    *,
    links: Sequence[Link] = (),
    facts: Facts | None = None,
) -> Work:
    context = _NOWHERE if parent is None else set_span_in_context(parent, _NOWHERE)
    span = tracer.start_span(name, context, kind, attributes, links)
    ids = span.get_span_context()
    return Work(f"{ids.trace_id:032x}", "01", span_id=f"{ids.span_id:016x}", span=span, facts=facts)


def _ids(caller: Caller) -> SpanContext:
    flags = TraceFlags(int(caller.flags, 16))
    return SpanContext(int(caller.trace_id, 16), int(caller.span_id, 16), is_remote=True, trace_flags=flags)
