"""One JSON object for each line of log, its fields in one order, whoever writes it."""

import hashlib
import hmac
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.types import EventDict, WrappedLogger
from typing_extensions import override

from loyalty_adapters.observability.traces import TraceContext

SERVICE: Final = "loyalty-service"
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES: Final = {"warning": "WARN", "critical": "ERROR", "exception": "ERROR"}
_HEADING: Final = frozenset({"timestamp", "level", "message", "service", "spanId"})
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number")


class LogForm(msgspec.Struct, frozen=True, kw_only=True):
    """What lines are written, and how a customer's id appears in them."""

    level: str = "info"
    """``debug``, ``info``, ``warn`` or ``error``."""
    customer_id_key: str | None = None
    """With it, customer ids appear as their keyed hash: still the same for the same customer, and nobody's number."""
    readable: bool = False
    """For a person at a terminal, instead of JSON."""

    def __repr__(self) -> str:
        return f"LogForm(level={self.level!r}, hashed={self.customer_id_key is not None})"


def configure_logging(
    form: LogForm, traces: TraceContext, out: TextIO | None = None, *, for_good: bool = False
) -> None:
    """Send the lines of this process, our own and our libraries', to `out` (standard output).

    `for_good` says that it is never asked again in this process, which makes each line a quarter cheaper.
    """
    stream = sys.stdout if out is None else out
    lines = _Lines(form, traces)
    structlog.configure(
        processors=[lines],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[form.level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=for_good,
    )
    handler = _Handler(lines, stream)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[form.level], logging.WARNING))
    logging.getLogger("uvicorn.error").setLevel(max(_LEVELS[form.level], logging.WARNING))


class _Lines:
    """Makes the line of an event: the last, and only, processor."""

    def __init__(self, form: LogForm, traces: TraceContext) -> None:
        self._key = None if form.customer_id_key is None else form.customer_id_key.encode()
        self._traces = traces
        self._write: Callable[[EventDict], str] = _for_people if form.readable else _as_json

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> str:
        """The line, without its end."""
        work = self._traces.current()
        known: Mapping[str, Any] = {} if work is None else work.facts
        fields = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": _NAMES.get(method, method.upper()),
            "service": SERVICE,
            "context": event.pop("context", "LoyaltyService"),
            "message": event.pop("event", ""),
            "sessionId": event.pop("sessionId", None) or known.get("sessionId"),
            "customerId": self._customer(event.pop("customerId", None) or known.get("customerId")),
            "duration": event.pop("duration", None),
            "earnedPoints": event.pop("earnedPoints", None),
            "traceId": None if work is None else work.trace_id,
            "spanId": None if work is None else work.span_id,
        }
        line = {name: value for name, value in fields.items() if value is not None}
        return self._write({**line, **event})

    def _customer(self, customer_id: str | None) -> str | None:
        if customer_id is None or self._key is None:
            return customer_id
        return hmac.digest(self._key, customer_id.encode(), hashlib.sha256).hex()[:32]


def _as_json(line: EventDict) -> str:
    return _ENCODER.encode(line).decode()


def _for_people(line: EventDict) -> str:
    """Time, level and message first; then what else there is, but what the terminal's owner knows anyway."""
    told = {name: value for name, value in line.items() if name not in _HEADING and value is not None}
    facts = " ".join(f"{name}={value}" for name, value in told.items())
    return f"{line['timestamp'][11:-1]} {line['level']:5} {line['message']:<32} {facts}"


class _Handler(logging.Handler):
    """Brings what libraries say into the same form. Their exceptions are named, not quoted: they may hold anything."""

    def __init__(self, lines: _Lines, stream: TextIO) -> None:
        super().__init__()
        self._lines = lines
        self._stream = stream

    @override
    def emit(self, record: logging.LogRecord) -> None:
        event: EventDict = {"event": record.getMessage(), "context": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            event["error"] = record.exc_info[0].__name__
        self._stream.write(self._lines(None, record.levelname.lower(), event) + "\n")
        self._stream.flush()
