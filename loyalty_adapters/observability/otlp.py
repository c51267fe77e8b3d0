"""Where recorded spans go: in batches over OTLP/HTTP, or nowhere."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from typing_extensions import override

from loyalty_adapters.observability.tracing import Tracing

_TRACES: Final = "/v1/traces"
_TIMEOUT: Final = 2.0
_QUEUE: Final = 4096
_BATCH: Final = 512
_DELAY: Final = 2000
_TALKATIVE: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)
_QUIET_FOR: Final = 60.0
_LAST_WORDS: Final = 1.0


def exporting(endpoint: str, *, ratio: float, service: str, version: str, instance: str) -> Tracing:
    """Tracing that sends to the collector at `endpoint`, the base address of an OTLP/HTTP receiver.

    Headers, certificates and compression are read by the exporter from OpenTelemetry's own variables.
    """
    # The exporter brings requests and protobuf, 10 MB and a quarter of a second: only for those who want it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above

    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _TRACES, timeout=_TIMEOUT)
    return recording(exporter, ratio=ratio, service=service, version=version, instance=instance)


def recording(exporter: SpanExporter, *, ratio: float, service: str, version: str, instance: str) -> Tracing:
    """Tracing that hands batches to `exporter`, in a thread of its own and from a queue of bounded length.

    Where the exporter cannot keep up, or its collector is away, the oldest spans are dropped and nobody waits.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_OncePerMinute())
    processor = BatchSpanProcessor(
        exporter, max_queue_size=_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=_DELAY
    )
    return with_processor(processor, ratio=ratio, service=service, version=version, instance=instance)


def with_processor(processor: SpanProcessor, *, ratio: float, service: str, version: str, instance: str) -> Tracing:
    """Tracing that hands every recorded span to `processor` once it has ended."""
    resource = Resource.create({"service.name": service, "service.version": version, "service.instance.id": instance})
    # Whether a trace is recorded was decided before anything of the SDK is touched.
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return Tracing(ratio=ratio, tracer=provider.get_tracer("loyalty", version), close=_bounded(provider.shutdown))


def _bounded(shutdown: Callable[[], None]) -> Callable[[], None]:
    """The same, given up after a second: a collector that is away must not hold up the end of the process."""

    def close() -> None:
        sending = threading.Thread(target=shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(_LAST_WORDS)

    return close


class _OncePerMinute(logging.Filter):
    """Lets one record through, and then none for a minute: a collector that is away is news only once."""

    def __init__(self) -> None:
        super().__init__()
        self._silent_until = 0.0

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._silent_until:
            return False
        self._silent_until = now + _QUIET_FOR
        return True
