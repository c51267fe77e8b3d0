"""Everything an operator can set, read once at start and before anything else."""

from enum import StrEnum
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from loyalty_core.use_cases.pricing import Authority
from loyalty_web.job_settings import JobSettings
from loyalty_web.protection_settings import LimitSettings, LoadSettings, ProxySettings, TlsSettings, check_protection
from loyalty_web.reconcile_settings import ReconcileSettings
from loyalty_web.variables import Reader, Row, Section, Variable, table

_DRAIN_IN_PRODUCTION: Final = 5.0

SectionT = TypeVar("SectionT", bound=Section)


class Environment(StrEnum):
    """Where this runs. Outside production, PDI may be spoken to without TLS."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """The least important log line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class CustomerIdForm(StrEnum):
    """How a customer's id appears in logs. It is often a phone number."""

    PLAIN = "plain"
    HASH = "hash"


class ServiceSettings(Section, frozen=True, kw_only=True):
    """What the service is and how it counts."""

    environment: Annotated[
        Environment,
        Variable(name="APP_ENV", also="NODE_ENV", meaning="`development`, `test` or `production`"),
    ] = Environment.PRODUCTION
    session_ttl_hours: Annotated[
        float, Variable(name="SESSION_TTL_HOURS", least=0.001, most=8760, meaning="How long a session may be used")
    ] = 24.0
    program: Annotated[
        str, Variable(name="REWARD_PROGRAM", meaning="Path of a TOML reward program; without one, the built-in program")
    ] = ""
    authority: Annotated[
        Authority, Variable(name="REWARDS_AUTHORITY", meaning="Whose figure of a quote counts: `pdi` or `local`")
    ] = Authority.HOST


class LogSettings(Section, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[LogLevel, Variable(name="LOG_LEVEL", meaning="`debug`, `info`, `warn` or `error`")] = LogLevel.INFO
    customer_id: Annotated[
        CustomerIdForm,
        Variable(name="LOG_CUSTOMER_ID", meaning="`plain`, or `hash` where customer ids are phone numbers"),
    ] = CustomerIdForm.PLAIN


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


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """PostgreSQL."""

    url: Annotated[str, Variable(name="DATABASE_URL", secret=True, meaning="PostgreSQL: `postgresql://…`")]
    intake_connections: Annotated[
        int,
        Variable(name="DATABASE_CONNECTIONS", least=1, most=500, meaning="Connections of each process for new work"),
    ] = 8
    outcome_connections: Annotated[
        int,
        Variable(
            name="DATABASE_OUTCOME_CONNECTIONS",
            least=1,
            most=500,
            meaning="Connections of each process kept for what PDI was already asked",
        ),
    ] = 4
    acquire_seconds: Annotated[
        float,
        Variable(name="DATABASE_ACQUIRE_SECONDS", least=0.01, most=60, meaning="Longest wait for a connection"),
    ] = 0.5
    waiting: Annotated[
        int, Variable(name="DATABASE_WAITING", least=1, most=100_000, meaning="Most calls that wait for a connection")
    ] = 200


class CacheSettings(Section, frozen=True, kw_only=True):
    """Redis."""

    url: Annotated[
        str, Variable(name="REDIS_URL", secret=True, meaning="Redis 7 or Valkey: `redis://…`, `rediss://…`, `unix://…`")
    ]


class HostSettings(Section, frozen=True, kw_only=True):
    """PDI: where it is, who we are to it, and when we stop asking."""

    url: Annotated[str, Variable(name="PDI_API_URL", meaning="PDI's address; https outside development and test")]
    client_id: Annotated[str, Variable(name="PDI_CLIENT_ID", secret=True, meaning="OAuth2 client id at PDI")]
    client_secret: Annotated[
        str, Variable(name="PDI_CLIENT_SECRET", secret=True, meaning="OAuth2 client secret at PDI")
    ]
    token_url: Annotated[
        str, Variable(name="PDI_TOKEN_URL", meaning="Where tokens are fetched; `{PDI_API_URL}/oauth/token` if not set")
    ] = ""
    max_in_flight: Annotated[
        int, Variable(name="PDI_MAX_IN_FLIGHT", least=1, most=10_000, meaning="Calls of a process at PDI at once")
    ] = 128
    failures_in_a_row: Annotated[
        int, Variable(name="PDI_BREAKER_FAILURES", least=1, most=1000, meaning="Failures in a row that open it")
    ] = 5
    window: Annotated[
        float,
        Variable(name="PDI_BREAKER_WINDOW_SECONDS", least=0.1, most=600, meaning="Time over which calls are judged"),
    ] = 10.0
    window_calls: Annotated[
        int, Variable(name="PDI_BREAKER_WINDOW_CALLS", least=1, most=10_000, meaning="Fewest calls that are judged")
    ] = 10
    window_share: Annotated[
        float,
        Variable(
            name="PDI_BREAKER_WINDOW_SHARE",
            least=0.01,
            most=1,
            meaning="Share of failed or slow calls in that time that opens the breaker",
        ),
    ] = 0.5
    open_for: Annotated[
        float,
        Variable(name="PDI_BREAKER_OPEN_SECONDS", least=0.05, most=600, meaning="Time to the first probe; doubles"),
    ] = 10.0
    open_cap: Annotated[
        float, Variable(name="PDI_BREAKER_OPEN_CAP_SECONDS", least=0.05, most=3600, meaning="Longest time to a probe")
    ] = 30.0


class BudgetSettings(Section, frozen=True, kw_only=True):
    """How long each call may spend at PDI, token refresh and repeat included."""

    identify: Annotated[
        float, Variable(name="PDI_IDENTIFY_SECONDS", least=0.05, most=60, meaning="Time of `/identify` at PDI")
    ] = 5.0
    calculate: Annotated[
        float, Variable(name="PDI_CALCULATE_SECONDS", least=0.05, most=60, meaning="Time of `/calculateRewards` at PDI")
    ] = 8.0
    finalize: Annotated[
        float, Variable(name="PDI_FINALIZE_SECONDS", least=0.05, most=60, meaning="Time of `/finalize` at PDI")
    ] = 10.0
    give_back: Annotated[
        float, Variable(name="PDI_RETURN_SECONDS", least=0.05, most=60, meaning="Time of `/return` at PDI")
    ] = 10.0
    status: Annotated[
        float, Variable(name="PDI_STATUS_SECONDS", least=0.05, most=60, meaning="Time of `/getSessionStatus` at PDI")
    ] = 3.0
    slack: Annotated[
        float, Variable(name="ANSWER_SLACK_SECONDS", least=0.05, most=10, meaning="What our answer may take beyond it")
    ] = 0.5


class QueueSettings(Section, frozen=True, kw_only=True):
    """How what could not be delivered is tried again."""

    backoff_base: Annotated[
        float, Variable(name="QUEUE_BACKOFF_SECONDS", least=0.01, most=600, meaning="First pause between tries")
    ] = 1.0
    backoff_cap: Annotated[
        float, Variable(name="QUEUE_BACKOFF_CAP_SECONDS", least=0.01, most=3600, meaning="Longest pause between tries")
    ] = 45.0
    park_after_hours: Annotated[
        float,
        Variable(
            name="QUEUE_PARK_HOURS",
            least=0.0001,
            most=8760,
            meaning="How long an outcome may stay unknown before an operator is asked",
        ),
    ] = 24.0
    largest_round: Annotated[
        int, Variable(name="QUEUE_ROUND", least=1, most=1000, meaning="Most deliveries of a worker under way at once")
    ] = 64
    probe_interval: Annotated[
        float, Variable(name="QUEUE_PROBE_SECONDS", least=0.01, most=600, meaning="Pause between tries while PDI fails")
    ] = 1.0


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
    ] = 0.05
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


class KeySettings(Section, frozen=True, kw_only=True):
    """What API keys are judged with."""

    pepper: Annotated[
        str,
        Variable(
            name="API_KEY_PEPPER",
            secret=True,
            at_least_characters=32,
            meaning="Secret that stored API keys depend on, 32 characters or more",
        ),
    ]
    previous_pepper: Annotated[
        str | None,
        Variable(
            name="API_KEY_PEPPER_PREVIOUS",
            secret=True,
            at_least_characters=32,
            meaning="The pepper before it, while it is going out of use",
        ),
    ] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. No repr of it shows a secret."""

    service: ServiceSettings
    log: LogSettings
    web: WebSettings
    database: DatabaseSettings
    cache: CacheSettings
    host: HostSettings
    budgets: BudgetSettings
    queue: QueueSettings
    jobs: JobSettings
    reconcile: ReconcileSettings
    keys: KeySettings
    limits: LimitSettings
    load: LoadSettings
    proxies: ProxySettings
    tls: TlsSettings
    watch: WatchSettings

    @property
    def address(self) -> str:
        """The address to listen on."""
        if self.web.host:
            return self.web.host
        everywhere = self.service.environment is Environment.PRODUCTION
        return "0.0.0.0" if everywhere else "127.0.0.1"  # noqa: S104 - a container is reached from outside

    @property
    def drain_seconds(self) -> float:
        """How long the service answers on after it was told to end."""
        if self.web.drain_seconds is not None:
            return self.web.drain_seconds
        return _drain_by_default(self.service.environment)


def _drain_by_default(environment: Environment) -> float:
    return _DRAIN_IN_PRODUCTION if environment is Environment.PRODUCTION else 0.0


SECTIONS: Final = (
    ServiceSettings,
    WebSettings,
    DatabaseSettings,
    CacheSettings,
    HostSettings,
    KeySettings,
    LimitSettings,
    LoadSettings,
    ProxySettings,
    TlsSettings,
    LogSettings,
    BudgetSettings,
    QueueSettings,
    JobSettings,
    ReconcileSettings,
    WatchSettings,
)


def read_settings() -> Settings:
    """The settings in this process's environment.

    Raises:
        SettingsError: something is missing or wrong; the message names all of it.
    """
    reader = Reader()
    service = reader.read(ServiceSettings)
    log = reader.read(LogSettings)
    web = reader.read(WebSettings)
    database = reader.read(DatabaseSettings)
    cache = reader.read(CacheSettings)
    host = reader.read(HostSettings)
    budgets = reader.read(BudgetSettings)
    queue = reader.read(QueueSettings)
    jobs = reader.read(JobSettings)
    reconcile = reader.read(ReconcileSettings)
    keys = reader.read(KeySettings)
    limits = reader.read(LimitSettings)
    load = reader.read(LoadSettings)
    proxies = reader.read(ProxySettings)
    tls = reader.read(TlsSettings)
    watch = reader.read(WatchSettings)
    environment = Environment.PRODUCTION if service is None else service.environment
    if database is not None:
        _check_url(reader, "DATABASE_URL", database.url, "postgresql", "postgres")
    if cache is not None:
        _check_url(reader, "REDIS_URL", cache.url, "redis", "rediss", "unix")
    if host is not None:
        _check_host(reader, host, environment)
    if watch is not None:
        _check_watch(reader, watch, web)
    check_protection(reader, limits, proxies, tls)
    if web is not None:
        _check_end(reader, web, environment)
    reader.finish()
    return Settings(
        service=_whole(service),
        log=_whole(log),
        web=_whole(web),
        database=_whole(database),
        cache=_whole(cache),
        host=_whole(host),
        budgets=_whole(budgets),
        queue=_whole(queue),
        jobs=_whole(jobs),
        reconcile=_whole(reconcile),
        keys=_whole(keys),
        limits=_whole(limits),
        load=_whole(load),
        proxies=_whole(proxies),
        tls=_whole(tls),
        watch=_whole(watch),
    )


def read_section(section: type[SectionT]) -> SectionT:
    """One group of settings, for a command that needs no other.

    Raises:
        SettingsError: something in it is missing or wrong.
    """
    reader = Reader()
    found = reader.read(section)
    reader.finish()
    return _whole(found)


def variables() -> tuple[Row, ...]:
    """Every variable there is, as the README lists them."""
    return table(*SECTIONS)


def _whole(section: SectionT | None) -> SectionT:
    if section is None:
        raise ValueError("a section in which nothing is wrong is whole")
    return section


def _check_host(reader: Reader, host: HostSettings, environment: Environment) -> None:
    schemes = ("https",) if environment is Environment.PRODUCTION else ("https", "http")
    addresses = {"PDI_API_URL": host.url} | ({"PDI_TOKEN_URL": host.token_url} if host.token_url else {})
    for name, url in addresses.items():
        _check_url(reader, name, url, *schemes)
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            reader.note(name, "must hold no credentials, query or fragment")
    if host.open_cap < host.open_for:
        reader.note("PDI_BREAKER_OPEN_CAP_SECONDS", "must not be less than PDI_BREAKER_OPEN_SECONDS")


def _check_end(reader: Reader, web: WebSettings, environment: Environment) -> None:
    drain = _drain_by_default(environment) if web.drain_seconds is None else web.drain_seconds
    if drain >= web.shutdown_seconds:
        reader.note("SHUTDOWN_SECONDS", "must be more than DRAIN_SECONDS, which is a part of it")


def _check_watch(reader: Reader, watch: WatchSettings, web: WebSettings | None) -> None:
    if watch.collector:
        _check_url(reader, "OTEL_EXPORTER_OTLP_ENDPOINT", watch.collector, "http", "https")
    if web is not None and watch.metrics_port and watch.metrics_port == web.port:
        reader.note("METRICS_PORT", "must differ from PORT, or be 0 to have the metrics there")


def _check_url(reader: Reader, name: str, url: str, *schemes: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.netloc or parts.path)
    except ValueError:
        usable = False
    if not usable:
        wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
        reader.note(name, f"must be an address of the form {wanted}")
