"""Everything an operator can set, read once at start and before anything else."""

from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from loyalty_web.host_settings import BudgetSettings, HostSettings, QueueSettings
from loyalty_web.job_settings import JobSettings
from loyalty_web.protection_settings import LimitSettings, LoadSettings, ProxySettings, TlsSettings, check_protection
from loyalty_web.reconcile_settings import ReconcileSettings
from loyalty_web.service_settings import Environment, KeySettings, LogSettings, ServiceSettings
from loyalty_web.storage_settings import CacheSettings, DatabaseSettings
from loyalty_web.variables import Reader, Row, Section, table
from loyalty_web.web_settings import WatchSettings, WebSettings

_DRAIN_IN_PRODUCTION: Final = 5.0

SectionT = TypeVar("SectionT", bound=Section)


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
