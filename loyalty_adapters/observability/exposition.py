"""How metrics are read: as text, at a route of the service or on a port of their own."""

import os
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, cast
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.exposition import ThreadingWSGIServer, choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from typing_extensions import override

from loyalty_adapters.observability.shared_values import VARIABLE, SharedFolder

_PATIENCE: Final = 5
"""Seconds that a scraper may take to send its request."""


class Exposition(NamedTuple):
    """One answer to a scrape."""

    body: bytes
    content_type: str


class MetricsRegistry:
    """Where this process's metrics are made, and where all processes' are read."""

    def __init__(self, folder: Path | None = None) -> None:
        """With a `folder`, values are shared with the other processes that name the same one; to be made before any
        metric, and once in a process.
        """
        # Not the times at which series began: a third more text, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has left this untyped
        self.own: Final = CollectorRegistry()
        self._shared = None if folder is None else SharedFolder(folder)
        self._read: CollectorRegistry = self.own
        if self._shared is not None:
            self._shared.install()
            self._read = CollectorRegistry()
            _AllProcesses(self._read, self._shared, str(folder))

    @classmethod
    def from_environment(cls) -> Self:
        """Shared where the environment names a folder."""
        folder = os.environ.get(VARIABLE)
        return cls(Path(folder) if folder else None)

    def expose(self, accept: str = "") -> Exposition:
        """All metrics, as OpenMetrics or in Prometheus's own format, whichever `accept` prefers.

        Takes milliseconds; may be called from any thread.
        """
        encode, content_type = choose_encoder(accept)
        return Exposition(encode(self._read), content_type)

    def serve(self, host: str, port: int) -> "MetricsPort":
        """A port that answers nothing else, ready to be entered."""
        return MetricsPort(self._read, host, port)


class _AllProcesses(MultiProcessCollector):
    def __init__(self, registry: CollectorRegistry, folder: SharedFolder, path: str) -> None:
        self._folder = folder
        super().__init__(registry, path)  # type: ignore[no-untyped-call]  # prometheus_client has left this untyped

    @override
    def collect(self) -> Iterable[Metric]:
        self._folder.forget_the_dead()
        return cast("Iterable[Metric]", super().collect())  # type: ignore[no-untyped-call]  # as above


class MetricsPort:
    """An HTTP server of its own threads, so that it answers also while the event loop does not.

    Several processes of one service may open the same port: the kernel picks one for each scrape, and each answers for
    all. Context manager; `port` is the one in use.
    """

    def __init__(self, registry: Collector, host: str, port: int) -> None:
        self._server = make_server(host, port, make_wsgi_app(registry), _server_class(host), _Handler)
        self.port: Final = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics-port", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingWSGIServer):
    allow_reuse_port = True

    @override
    def server_bind(self) -> None:
        # Not WSGIServer's own: that looks the host's name up, and a slow resolver would hold up the start.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _ServerOverIpv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    @override
    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is no news."""


def _server_class(host: str) -> type[_Server]:
    return _ServerOverIpv6 if ":" in host else _Server
