"""What is looked at before a process of the service starts: what it would fail by later, it is told now, plainly."""

import asyncio
import socket
import ssl
from typing import Final

import click
import psycopg

from loyalty_adapters.postgres.migrations import MigrationDrift, pending
from loyalty_web.settings import Settings

_BACKLOG: Final = 2048
_PATIENCE: Final = 3
"""Seconds for the database. One that is away is no reason not to start: the service says so when it is asked."""


def refuse_to_start_in_vain(settings: Settings) -> None:
    """Raise one sentence for people, with what to do, where the service could not do its work."""
    _check_schema(settings.database.url)
    _check_certificate(settings)
    _check_metrics_port(settings)


def listen(settings: Settings) -> socket.socket:
    """The socket on which the service listens, which its processes inherit."""
    host, port = settings.address, settings.web.port
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=_BACKLOG)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host}, port {port} ({error.strerror}): end what uses it, or set PORT."
        ) from None
    listener.set_inheritable(True)
    return listener


def _check_schema(url: str) -> None:
    try:
        missing = asyncio.run(pending(url, patience=_PATIENCE))
    except MigrationDrift as drift:
        raise click.ClickException(f"The database does not fit this version: {drift}.") from None
    except psycopg.Error:
        return
    if missing:
        raise click.ClickException(f"The database lacks {', '.join(missing)}: run `loyalty migrate` first.")


def _check_certificate(settings: Settings) -> None:
    tls = settings.tls
    if not tls.certificate:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:  # what OpenSSL reports is of the first
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not readable"
        raise click.ClickException(
            f"TLS_CERT_FILE and TLS_KEY_FILE cannot be used ({reason}): they must name a certificate with its chain, "
            "and its key without a password, as PEM."
        ) from None


def _no_password() -> str:
    """Instead of asking at a terminal."""
    return ""


def _check_metrics_port(settings: Settings) -> None:
    """The processes of one service share the port, so each asks for it as one that may be shared."""
    host, port = settings.address, settings.watch.metrics_port
    if not port:
        return
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Cannot serve metrics on {host}, port {port} ({error.strerror}): "
                "end what uses it, or set METRICS_PORT."
            ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
