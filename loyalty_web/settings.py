"""Everything an operator can set, read once at start and before anything else."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
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
    """All of it, in the order in which the README lists it. No repr of it shows a secret."""

    service: ServiceSettings
    web: WebSettings
    database: DatabaseSettings
    cache: CacheSettings
    host: HostSettings
    keys: KeySettings
    limits: LimitSettings
    load: LoadSettings
    proxies: ProxySettings
    tls: TlsSettings
    log: LogSettings
    budgets: BudgetSettings
    queue: QueueSettings
    jobs: JobSettings
    reconcile: ReconcileSettings
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


SECTIONS: Final[Mapping[str, type[Section]]] = {field.name: field.type for field in msgspec.structs.fields(Settings)}
"""The groups, by their field of `Settings`."""


def read_settings() -> Settings:
    """The settings in this process's environment.

    Raises:
        SettingsError: something is missing or wrong; the message names all of it.
    """
    reader = Reader()
    found: dict[str, Any] = {name: reader.read(section) for name, section in SECTIONS.items()}
    _judge_together(reader, found)
    reader.finish()  # from here on none of them is None
    return Settings(**found)


def _judge_together(reader: Reader, found: Mapping[str, Any]) -> None:
    """What one variable alone does not show. A group in which something is wrong already is passed over."""
    service: ServiceSettings | None = found["service"]
    environment = Environment.PRODUCTION if service is None else service.environment
    if found["database"] is not None:
        _check_url(reader, "DATABASE_URL", found["database"].url, "postgresql", "postgres")
    if found["cache"] is not None:
        _check_url(reader, "REDIS_URL", found["cache"].url, "redis", "rediss", "unix")
    if found["host"] is not None:
        _check_host(reader, found["host"], environment)
    if found["watch"] is not None:
        _check_watch(reader, found["watch"], found["web"])
    check_protection(reader, found["limits"], found["proxies"], found["tls"])
    if found["web"] is not None:
        _check_end(reader, found["web"], environment)


def read_section(section: type[SectionT]) -> SectionT:
    """One group of settings, for a command that needs no other.

    Raises:
        SettingsError: something in it is missing or wrong.
    """
    reader = Reader()
    found = reader.read(section)
    reader.finish()
    if found is None:
        raise ValueError("a section in which nothing is wrong is whole")
    return found


def variables() -> tuple[Row, ...]:
    """Every variable there is, as the README lists them."""
    return table(*SECTIONS.values())


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
