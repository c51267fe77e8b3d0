"""What an operator can set of how the service protects itself: limits, load, proxies and TLS."""

import re
from typing import Annotated, Final

from loyalty_core.ports.allowances import Allowance
from loyalty_web.admission import AdmissionPolicy
from loyalty_web.origins import ProxyHeader, parse_networks
from loyalty_web.rate_limits import LimitPolicy
from loyalty_web.variables import Reader, Section, Variable

_CLIENT_LIMIT: Final = re.compile(
    r"(?P<client>[A-Za-z0-9][A-Za-z0-9._:-]{0,63})=(?P<rate>\d{1,7}(?:\.\d{1,3})?)(?:/(?P<burst>\d{1,7}))?"
)


class LimitSettings(Section, frozen=True, kw_only=True):
    """How often anybody may call."""

    client_rate: Annotated[
        float,
        Variable(
            name="RATE_LIMIT_PER_SECOND",
            least=0,
            most=1_000_000,
            meaning="Calls a second of each client, in all processes together; 0: no limit",
        ),
    ] = 1000.0
    client_burst: Annotated[
        int, Variable(name="RATE_LIMIT_BURST", least=1, most=1_000_000, meaning="Calls that a client may make at once")
    ] = 2000
    by_client: Annotated[
        str,
        Variable(
            name="RATE_LIMIT_CLIENTS",
            meaning="Clients with limits of their own, calls a second and at once: `acme=50/100,kiosk=5/10,trusted=0`",
        ),
    ] = ""
    failed_rate: Annotated[
        float,
        Variable(
            name="RATE_LIMIT_FAILED_PER_SECOND",
            least=0,
            most=1_000_000,
            meaning="Calls a second of each address that no API key opens; 0: no limit",
        ),
    ] = 1.0
    failed_burst: Annotated[
        int,
        Variable(
            name="RATE_LIMIT_FAILED_BURST", least=1, most=1_000_000, meaning="Such calls that it may make at once"
        ),
    ] = 30

    def policy(self) -> LimitPolicy:
        """The limits, as they are applied."""
        return LimitPolicy(
            clients=_allowance(self.client_rate, self.client_burst),
            by_client=parse_client_limits(self.by_client),
            failures=_allowance(self.failed_rate, self.failed_burst),
        )


class LoadSettings(Section, frozen=True, kw_only=True):
    """How much a process takes on."""

    at_work: Annotated[
        int,
        Variable(
            name="CALLS_AT_WORK",
            least=1,
            most=10_000,
            meaning="Calls that a process works on at once, those that wait for PDI not counted; fewer are fairer",
        ),
    ] = 16
    waiting: Annotated[
        int,
        Variable(name="CALLS_WAITING", least=0, most=100_000, meaning="Calls that wait for their turn at most"),
    ] = 256
    patience: Annotated[
        float,
        Variable(name="CALL_WAIT_SECONDS", least=0.001, most=60, meaning="How long a call waits for its turn at most"),
    ] = 1.0

    def policy(self) -> AdmissionPolicy:
        """The bounds, as they are applied."""
        return AdmissionPolicy(self.at_work, self.waiting, self.patience)


class ProxySettings(Section, frozen=True, kw_only=True):
    """Who stands between the tills and the service."""

    trusted: Annotated[
        str,
        Variable(
            name="TRUSTED_PROXIES",
            meaning="Proxies, by address or range (`10.0.0.0/8`), that are believed whose call they pass on",
        ),
    ] = ""
    header: Annotated[
        ProxyHeader,
        Variable(
            name="TRUSTED_PROXY_HEADER",
            meaning="The header in which they say so: `x-forwarded-for` (and `x-forwarded-proto`) or `forwarded`",
        ),
    ] = ProxyHeader.X_FORWARDED_FOR
    hsts_seconds: Annotated[
        int,
        Variable(
            name="HSTS_SECONDS",
            least=0,
            most=63_072_000,
            meaning="For how long those who came by TLS are told to come by nothing else; 0: they are not told",
        ),
    ] = 31_536_000


class TlsSettings(Section, frozen=True, kw_only=True):
    """TLS without a proxy."""

    certificate: Annotated[
        str,
        Variable(name="TLS_CERT_FILE", meaning="Certificate and its chain, as PEM; with it the service speaks TLS"),
    ] = ""
    key: Annotated[str, Variable(name="TLS_KEY_FILE", meaning="The certificate's key, as PEM, without a password")] = ""


def check_protection(
    reader: Reader, limits: LimitSettings | None, proxies: ProxySettings | None, tls: TlsSettings | None
) -> None:
    """Report what only shows when a text is taken apart."""
    if limits is not None:
        try:
            parse_client_limits(limits.by_client)
        except ValueError:
            reader.note("RATE_LIMIT_CLIENTS", "must be a list such as acme=50/100,kiosk=5/10")
    if proxies is not None:
        try:
            parse_networks(proxies.trusted)
        except ValueError:
            reader.note("TRUSTED_PROXIES", "must be a list of addresses, or of ranges such as 10.0.0.0/8")
    if tls is not None and bool(tls.certificate) != bool(tls.key):
        reader.note("TLS_KEY_FILE" if tls.certificate else "TLS_CERT_FILE", "is required beside the other of the two")


def parse_client_limits(text: str) -> dict[str, Allowance | None]:
    """The limits that are listed: client, calls a second and calls at once (without them, those of two seconds).

    Raises:
        ValueError: something in it is none.
    """
    limits = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _CLIENT_LIMIT.fullmatch(part)
        if found is None:
            raise ValueError("not a limit of a client")
        rate = float(found["rate"])
        limits[found["client"]] = _allowance(rate, int(found["burst"] or max(1, round(2 * rate))))
    return limits


def _allowance(per_second: float, burst: int) -> Allowance | None:
    return Allowance(per_second, max(1, burst)) if per_second > 0 else None
