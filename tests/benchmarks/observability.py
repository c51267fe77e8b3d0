"""What watching costs: ``python -m tests.benchmarks.observability``.

The floor is a bare Litestar handler that decodes and encodes a finalize, called in this process without a socket. Each
other figure is the CPU time that something watched adds, measured turn by turn with the floor in rounds, as medians.
What a finalize touches: one request, four statements, two Redis commands, one call to PDI, three transitions and two
lines of log.
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from time import process_time
from typing import Any, Final

import msgspec
import structlog
from litestar import Litestar, post
from litestar.types import ASGIApp, Message, Scope
from prometheus_client import values

from loyalty_adapters.observability import (
    LogForm,
    MetricsRegistry,
    Telemetry,
    TelemetryForm,
    Tracing,
    configure_logging,
    tracing,
)
from loyalty_core.domain.session import Cause
from loyalty_core.ports.unit_of_work import SessionChange
from tests.unit.session.examples import CALCULATED, SITUATIONS, a_delivery, finalizing

ROUNDS: Final = 5
CALLS: Final = 2_000
ASKED: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_ASKED: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
_STATEMENTS: Final = (
    "SELECT a FROM session_rows",
    "UPDATE sessions SET a = 1",
    "UPDATE sessions SET b = 1",
    "SELECT 1",
)
_OWED: Final = finalizing(a_delivery())
_CHANGES: Final = (
    SessionChange(before=CALCULATED, after=_OWED, cause=Cause.FINALIZE_INTENDED),
    SessionChange(before=_OWED, after=_OWED, cause=Cause.ATTEMPT_BEGUN),
    SessionChange(before=_OWED, after=SITUATIONS["finalized"](), cause=Cause.HOST_ACCEPTED),
)


class Body(msgspec.Struct, rename="camel"):
    """A finalize as a till sends it."""

    session_id: str
    transaction_id: str
    final_amount: float
    apply_rewards: bool


@post("/finalize")
async def finalize(data: Body) -> Body:
    """Nothing but the floor."""
    return data


def floor() -> Callable[[], Coroutine[None, None, None]]:
    """One call of the bare application."""
    app: ASGIApp = Litestar([finalize], openapi_config=None, logging_config=None)
    body = b'{"sessionId":"sess_1","transactionId":"TX-1","finalAmount":150.0,"applyRewards":true}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Message) -> None:
        return None

    async def call() -> None:
        scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/finalize", "raw_path": b"/finalize", "root_path": "", "query_string": b"",
            "headers": list(headers), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1), "state": {},
        }  # fmt: skip
        await app(_as_scope(scope), receive, send)

    return call


def _as_scope(scope: Any) -> Scope:
    return scope  # type: ignore[no-any-return]  # spelled out above, as a server does


def seams(traces: Tracing, traceparent: str | None) -> Callable[[], Coroutine[None, None, None]]:
    """Everything a finalize touches that can be traced."""

    async def call() -> None:
        work = traces.begin(traceparent)
        for statement in _STATEMENTS:
            with traces.statement(statement):
                pass
        for command in ("GET", "SET"):
            with traces.redis(command):
                pass
        with traces.pdi("finalize"):
            traces.headers()
            traces.pdi_ended("finalize", "accepted", 0.1)
        traces.answered(work, "POST", "/finalize", 200)

    return call


def counted(telemetry: Telemetry) -> Callable[[], Coroutine[None, None, None]]:
    """Everything a finalize counts."""
    from loyalty_adapters.observability.metrics_observer import MetricsObserver  # noqa: PLC0415 - not the logging one

    observer = MetricsObserver(telemetry.metrics)

    async def call() -> None:
        telemetry.metrics.request_answered("POST", "/finalize", 200, 0.02)
        telemetry.host.call_ended("finalize", "accepted", 0.015, None)
        for change in _CHANGES:
            observer.changed(change)
        telemetry.cache_asked("miss")
        telemetry.cache_asked("stored")

    return call


def logged() -> Callable[[], Coroutine[None, None, None]]:
    """The line of a finalize."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device
        out = os.fdopen(os.dup(nowhere.fileno()), "w")
    traces = Tracing()
    configure_logging(LogForm(), traces, out)
    log = structlog.get_logger(context="Benchmark")

    async def call() -> None:
        traces.begin(None)
        log.info(
            "Session finalized successfully", method="POST", route="/finalize", status=200, duration=20.1,
            sessionId="sess_01a20634b0af74ec97ead974684536a3", customerId="CUST-1", earnedPoints=450, client="demo",
            keyId="0123456789abcdef", fromStatus="calculated", toStatus="finalized", cause="host_accepted",
            pdiDuration=12.3, pdiOutcome="accepted",
        )  # fmt: skip

    return call


def _telemetry(folder: Path | None = None) -> Telemetry:
    return Telemetry(TelemetryForm(version="1"), Tracing(), MetricsRegistry(folder))


async def _microseconds(call: Callable[[], Coroutine[None, None, None]]) -> float:
    began = process_time()
    for _ in range(CALLS):
        await call()
    return (process_time() - began) / CALLS * 1e6


async def measure(subjects: Mapping[str, Callable[[], Coroutine[None, None, None]]]) -> dict[str, float]:
    """The median microseconds of CPU for each, all of them taking turns."""
    figures: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, call in subjects.items():
            figures[name].append(await _microseconds(call))
    return {name: statistics.median(found) for name, found in figures.items()}


def main() -> None:
    """Print the table."""
    in_process = values.ValueClass
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as silent:
        away = tracing(TelemetryForm(version="1", collector=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        alone = _telemetry()
        counted_alone = counted(alone)
        asyncio.run(counted_alone())  # its values are made in this process's memory before the others' are shared
        together = counted(_telemetry(Path(folder)))
        subjects = {
            "floor: a bare handler": floor(),
            "seams, no collector": seams(Tracing(), None),
            "seams, not sampled": seams(away, NOT_ASKED),
            "seams, sampled, collector away": seams(away, ASKED),
            "metrics, one process": counted_alone,
            "metrics, several processes": together,
            "log, two lines": logged(),
        }
        found = asyncio.run(measure(subjects))
        values.ValueClass = in_process
        away.close()
    base = found["floor: a bare handler"]
    for name, figure in found.items():
        sys.stdout.write(f"{name:<32} {figure:8.1f} µs  {figure / base:5.2f} of the floor\n")


if __name__ == "__main__":
    main()
