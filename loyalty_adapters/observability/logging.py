"""One JSON object for each line of log, its fields in one order, whoever writes it."""

import hashlib
import hmac
import logging
import sys
import time
from collections.abc import Callable, Mapping
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
        wrapper_class=_with_one_processor(structlog.make_filtering_bound_logger(_LEVELS[form.level])),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=for_good,
    )
    handler = _Handler(lines, stream)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[form.level], logging.WARNING))
    logging.getLogger("uvicorn.error").setLevel(max(_LEVELS[form.level], logging.WARNING))


def _with_one_processor(base: type[Any]) -> type[Any]:
    """`base`, but an event goes to its one processor and is written: what a chain of them needs costs as much again."""

    class OneProcessor(base):  # type: ignore[misc]  # structlog makes its class for each level
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **fields: Any) -> None:
            try:
                line = self._processors[0](self._logger, method_name, {**self._context, "event": event, **fields})
            except structlog.DropEvent:
                return
            self._logger.msg(line)

    return OneProcessor


class _Lines:
    """Makes the line of an event: the last, and only, processor."""

    def __init__(self, form: LogForm, traces: TraceContext) -> None:
        self._key = None if form.customer_id_key is None else form.customer_id_key.encode()
        self._traces = traces
        self._second = (0, "")
        self._write: Callable[[EventDict], str] = _for_people if form.readable else _as_json

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> str:
        """The line, without its end."""
        work = self._traces.current()
        known: Mapping[str, Any] = {} if work is None else work.facts
        line: EventDict = {
            "timestamp": self._now(),
            "level": _NAMES.get(method) or method.upper(),
            "service": SERVICE,
            "context": event.pop("context", "LoyaltyService"),
            "message": event.pop("event", ""),
        }
        if session := event.pop("sessionId", None) or known.get("sessionId"):
            line["sessionId"] = session
        if customer := event.pop("customerId", None) or known.get("customerId"):
            line["customerId"] = self._customer(customer)
        for name in ("duration", "earnedPoints"):
            if (value := event.pop(name, None)) is not None:
                line[name] = value
        if work is not None:
            line["traceId"], line["spanId"] = work.trace_id, work.span_id
        line.update(event)
        return self._write(line)

    def _now(self) -> str:
        """The time in UTC, to the millisecond. All but the end of it is the same for a second."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        known, text = self._second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second, text  # at once: other threads write lines, too
        return f"{text}.{rest // 1_000_000:03}Z"

    def _customer(self, customer_id: str) -> str:
        if self._key is None:
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
