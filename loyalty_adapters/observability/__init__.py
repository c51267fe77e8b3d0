"""What operators see: JSON log lines, and the trace that ties them together."""

from loyalty_adapters.observability.logging import LogForm, configure_logging
from loyalty_adapters.observability.observer import LoggingObserver
from loyalty_adapters.observability.traces import TraceContext, Work

__all__ = ("LogForm", "LoggingObserver", "TraceContext", "Work", "configure_logging")
