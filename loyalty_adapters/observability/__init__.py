"""What operators see: JSON log lines, metrics, and the traces that tie them together."""

from loyalty_adapters.observability.exposition import MetricsRegistry
from loyalty_adapters.observability.logging import LogForm, configure_logging
from loyalty_adapters.observability.observer import LoggingObserver
from loyalty_adapters.observability.shared_values import VARIABLE as SHARED_METRICS
from loyalty_adapters.observability.shared_values import clear_shared_metrics
from loyalty_adapters.observability.telemetry import Telemetry, TelemetryForm, tracing
from loyalty_adapters.observability.traces import TraceContext, Work
from loyalty_adapters.observability.tracing import Tracing

__all__ = (
    "SHARED_METRICS",
    "LogForm",
    "LoggingObserver",
    "MetricsRegistry",
    "Telemetry",
    "TelemetryForm",
    "TraceContext",
    "Tracing",
    "Work",
    "clear_shared_metrics",
    "configure_logging",
    "tracing",
)
