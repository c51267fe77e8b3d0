"""How the service listens and how it is watched."""

from typing import Annotated

from loyalty_web.variables import Section, Variable


class WebSettings(Section, frozen=True, kw_only=True):
    """How the service listens."""

    host: Annotated[
        str, Variable(name="HOST", meaning="Address to listen on; if not set, all in production, else the loopback")
    ] = ""
    port: Annotated[int, Variable(name="PORT", least=0, most=65535, meaning="HTTP port")] = 3000
    workers: Annotated[
        int, Variable(name="WEB_WORKERS", least=1, most=256, meaning="Web processes; `--workers` says the same")
    ] = 1
    body_seconds: Annotated[
        float, Variable(name="REQUEST_BODY_SECONDS", least=0.05, most=300, meaning="How long a request's body may take")
    ] = 5.0
    header_seconds: Annotated[
        float, Variable(name="REQUEST_HEADER_SECONDS", least=0.05, most=300, meaning="How long its header may take")
    ] = 5.0
    idle_seconds: Annotated[
        int, Variable(name="KEEP_ALIVE_SECONDS", least=1, most=3600, meaning="When an idle connection is closed")
    ] = 65
    shutdown_seconds: Annotated[
        int,
        Variable(
            name="SHUTDOWN_SECONDS", least=1, most=600, meaning="When a process is gone at the latest after SIGTERM"
        ),
    ] = 25
    drain_seconds: Annotated[
        float | None,
        Variable(
            name="DRAIN_SECONDS",
            least=0,
            most=600,
            meaning="Of these, how long it answers on, not ready, for load balancers to notice; "
            "if not set, 5 in production, else none",
        ),
    ] = None


class WatchSettings(Section, frozen=True, kw_only=True):
    """How the service is watched."""

    metrics_port: Annotated[
        int,
        Variable(
            name="METRICS_PORT",
            least=0,
            most=65535,
            meaning="Port for `/metrics` alone; 0: with the calls (a worker, which answers no calls, then has none)",
        ),
    ] = 0
    collector: Annotated[
        str,
        Variable(
            name="OTEL_EXPORTER_OTLP_ENDPOINT",
            meaning="Base address of an OTLP/HTTP collector for traces; without one none are recorded",
        ),
    ] = ""
    trace_ratio: Annotated[
        float,
        Variable(
            name="OTEL_TRACES_SAMPLER_ARG",
            least=0,
            most=1,
            meaning="Share of the traces that begin here that is recorded; a caller's `traceparent` goes before it",
        ),
    ] = 0.01
    service_name: Annotated[str, Variable(name="OTEL_SERVICE_NAME", meaning="The service's name in traces")] = (
        "loyalty-service"
    )
    health_interval: Annotated[
        float,
        Variable(name="HEALTH_INTERVAL_SECONDS", least=0.05, most=60, meaning="Time between two looks at dependencies"),
    ] = 2.0
    strict: Annotated[
        bool,
        Variable(name="READINESS_STRICT", meaning="Not ready where PDI or Redis is down, though calls are answered"),
    ] = False
    watchdog: Annotated[
        float,
        Variable(
            name="WATCHDOG_SECONDS",
            least=0,
            most=3600,
            meaning="A process whose event loop has stood still for so long is ended; 0: never",
        ),
    ] = 30.0
