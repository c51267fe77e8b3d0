"""Spans leave for a real HTTP collector, or for one that is not there."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override

from loyalty_adapters.observability import TelemetryForm, Tracing, tracing

ASKED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """An OTLP/HTTP receiver that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def names(self) -> list[str]:
        return [
            span.name
            for _, request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def _request(traces: Tracing) -> None:
    async def serve() -> None:
        work = traces.begin(ASKED)
        with traces.pdi("finalize"):
            pass
        traces.answered(work, "POST", "/finalize", 200)

    asyncio.run(serve())


def test_what_waits_is_sent_at_the_end(collector: Collector) -> None:
    """A process that ends loses no span that its collector would take; they carry the service's name."""
    traces = tracing(TelemetryForm(version="1.2.3", service="till", instance="here:1", collector=f"{collector.url}/"))
    _request(traces)
    traces.close()
    assert ["PDI finalize", "POST /finalize"] == collector.names()
    path, request = collector.received[0]
    assert "/v1/traces" == path
    attributes = {pair.key: pair.value.string_value for pair in request.resource_spans[0].resource.attributes}
    assert ("till", "1.2.3") == (attributes["service.name"], attributes["service.version"])


@pytest.mark.parametrize("listening", [False, True])
def test_a_collector_that_is_away_holds_up_nobody(listening: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Refused, or accepted and never answered: requests cost the same, and the end takes about a second at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listening:
            silent.close()
        traces = tracing(TelemetryForm(version="1", collector=f"http://127.0.0.1:{port}"))
        began = time.process_time()
        for _ in range(3000):
            _touch(traces)
        assert time.process_time() - began < 10
        began = time.monotonic()
        traces.close()
        assert time.monotonic() - began < 2
    assert len([record for record in caplog.records if "export" in record.message.lower()]) <= 2


def _touch(traces: Tracing) -> None:
    work = traces.begin(ASKED)
    with traces.pdi("finalize"):
        pass
    traces.answered(work, "POST", "/finalize", 200)


def test_without_a_collector_nothing_of_the_sdk_is_loaded() -> None:
    """Those who do not trace do not pay for it in memory or at the start."""
    import subprocess  # noqa: PLC0415 - only here
    import sys  # noqa: PLC0415 - only here

    program = (
        "import sys; from loyalty_adapters.observability import TelemetryForm, tracing; "
        "tracing(TelemetryForm(version='1')); "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "[]\n" == said
