"""What watches one process: its metrics, its traces and its log, and the ends at which the rest of it is tied on."""

from collections.abc import Mapping

import msgspec

from loyalty_adapters.observability.exposition import MetricsRegistry
from loyalty_adapters.observability.host_log import HostLog
from loyalty_adapters.observability.metrics import Metrics
from loyalty_adapters.observability.metrics_feeds import AnswerCacheFeed, DatabaseFeed, HostFeed, PoolStats, QueueFeed
from loyalty_adapters.observability.metrics_observer import MetricsObserver
from loyalty_adapters.observability.observer import LoggingObserver
from loyalty_adapters.observability.observers import Observers
from loyalty_adapters.observability.tracing import Tracing


class TelemetryForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched, and where it is sent."""

    version: str
    service: str = "loyalty-service"
    instance: str = ""
    """Names the process among its like in traces."""
    collector: str = ""
    """Base address of an OTLP/HTTP collector; without one nothing is recorded."""
    ratio: float = 0.01
    """Share of the traces that begin here and are recorded."""


class Telemetry:
    """Made once in a process, before anything that is watched."""

    def __init__(self, form: TelemetryForm, traces: Tracing, registry: MetricsRegistry) -> None:
        self.registry = registry
        self.traces = traces
        self.metrics = Metrics(registry.own, version=form.version)
        self.observer = Observers(LoggingObserver(traces), MetricsObserver(self.metrics))
        self.host = HostFeed(self.metrics)
        self.queue = QueueFeed(self.metrics)
        self._cache = AnswerCacheFeed(self.metrics)
        self._log = HostLog()

    def host_called(self, endpoint: str, outcome: str, seconds: float, reason: str | None) -> None:
        """A call to PDI ended: counted, logged, and said in its span."""
        self.host.call_ended(endpoint, outcome, seconds, reason)
        self.traces.pdi_ended(endpoint, outcome, seconds)
        self._log.call_ended(endpoint, outcome, seconds, reason, self.traces.current())

    def circuit_changed(self, circuit: str, old: str, new: str) -> None:
        """A circuit of the PDI client changed: counted and logged."""
        self.host.circuit_changed(circuit, old, new)
        self._log.circuit_changed(circuit, old, new)

    def cache_asked(self, event: str) -> None:
        """The mirror of answers was asked: counted."""
        self._cache.happened(event)

    def limits_shared(self, shared: bool) -> None:
        """Rate limits hold over all processes from now on, or in each alone."""
        self.metrics.limits_shared.set(1 if shared else 0)

    def limit_judged_alone(self) -> None:
        """A call was counted by this process alone."""
        self.metrics.limits_alone.inc()

    def load_is(self, at_work: int, waiting: int) -> None:
        """Calls that are worked on now, and that wait for their turn."""
        self.metrics.calls_at_work.set(at_work)
        self.metrics.calls_waiting.set(waiting)

    def dependencies_seen(self, statuses: Mapping[str, str]) -> None:
        """How the dependencies are: ``up``, ``degraded`` or ``down``."""
        for name, status in statuses.items():
            self.metrics.dependencies[name,].set(_UPNESS.get(str(status), 0))

    def database(self, lanes: Mapping[str, PoolStats]) -> DatabaseFeed:
        """What to look at the connections with."""
        return DatabaseFeed(self.metrics, lanes)


_UPNESS = {"up": 1.0, "degraded": 0.5, "down": 0.0}


def tracing(form: TelemetryForm) -> Tracing:
    """Tracing as `form` has it: over OTLP where there is a collector, else ids alone."""
    if not form.collector:
        return Tracing()
    # The SDK and its exporter cost 10 MB and a quarter of a second: only those who want them pay for them.
    from loyalty_adapters.observability.otlp import exporting  # noqa: PLC0415 - as above

    return exporting(
        form.collector, ratio=form.ratio, service=form.service, version=form.version, instance=form.instance
    )
