"""What `loyalty serve` and `loyalty worker` look at before they start, and TLS without a proxy."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from loyalty_web.protection_settings import ProxySettings
from tests.pdi import Pdi
from tests.web.commands import Till, run, started
from tests.web.service import running_service, settings

TLS = Path(__file__).parent / "tls"
BOTH = pytest.mark.parametrize("command", ["serve", "worker"])


def one_sentence(text: str) -> str:
    """The message, which is all there is on standard error."""
    (line,) = text.splitlines()
    return line


@BOTH
async def test_a_database_that_was_not_migrated(
    environment: dict[str, str], empty_database_url: str, command: str
) -> None:
    """Told at once, with what to do: every call would fail on it otherwise."""
    ended = await run(environment | {"DATABASE_URL": empty_database_url}, command)
    assert (1, "") == (ended.code, ended.out)
    assert "0001_sessions.sql" in (sentence := one_sentence(ended.err))
    assert sentence.endswith("run `loyalty migrate` first.")


@BOTH
async def test_a_database_of_another_version(environment: dict[str, str], command: str) -> None:
    """A migration that was changed after it had been applied is no schema of this version."""
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
        await connection.execute("UPDATE schema_migrations SET sha256 = 'x' WHERE name LIKE '0001%'")
    ended = await run(environment, command)
    assert 1 == ended.code
    assert "does not fit this version" in one_sentence(ended.err)


@BOTH
async def test_a_metrics_port_that_is_taken(environment: dict[str, str], command: str) -> None:
    """One sentence, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        ended = await run(environment | {"METRICS_PORT": taken}, command)
    assert 1 == ended.code
    sentence = one_sentence(ended.err)
    assert f"port {taken}" in sentence
    assert "set METRICS_PORT" in sentence


@pytest.mark.parametrize(
    ("certificate", "key", "code"),
    [
        ("certificate.pem", "", 2),
        ("", "key.pem", 2),
        ("certificate.pem", "certificate.pem", 1),
        ("certificate.pem", "nowhere.pem", 1),
        ("README.md", "key.pem", 1),
    ],
)
async def test_certificates_that_are_none(environment: dict[str, str], certificate: str, key: str, code: int) -> None:
    """Half a pair is refused with the settings, a file that is none before anything listens."""
    pair = {"TLS_CERT_FILE": certificate, "TLS_KEY_FILE": key}
    ended = await run(environment | {name: str(TLS / file) for name, file in pair.items() if file}, "serve")
    assert code == ended.code
    assert "TLS_" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
async def test_the_service_speaks_tls(environment: dict[str, str], port: int, workers: str) -> None:
    """With a certificate it speaks nothing else, and asks those who came by it to come by nothing else."""
    pair = {"TLS_CERT_FILE": str(TLS / "certificate.pem"), "TLS_KEY_FILE": str(TLS / "key.pem")}
    trusting = ssl.create_default_context(cafile=str(TLS / "certificate.pem"))
    async with started(environment | pair, "serve", "--workers", workers), aiohttp.ClientSession() as client:
        await _until_it_listens(port)
        async with client.get(f"https://127.0.0.1:{port}/health", ssl=trusting) as reply:
            assert (200, "max-age=31536000") == (reply.status, reply.headers["Strict-Transport-Security"])
        with pytest.raises(aiohttp.ClientError):
            await Till(port, "").get("/health")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(f"https://127.0.0.1:{port}/health")


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.mark.parametrize(
    ("trusted", "said", "seconds", "header"),
    [
        ("127.0.0.0/8", "https", 60, "max-age=60"),
        ("127.0.0.0/8", "http", 60, None),
        ("127.0.0.0/8", "https", 0, None),
        ("", "https", 60, None),
    ],
)
async def test_only_who_came_by_tls_is_asked_to(
    database_url: str, redis_url: str, pdi: Pdi, trusted: str, said: str, seconds: int, header: Any
) -> None:
    """On the word of a trusted proxy; to others the header means nothing, and it is not for us to send."""
    proxies = ProxySettings(trusted=trusted, hsts_seconds=seconds)
    async with running_service(settings(database_url, redis_url, pdi, proxies=proxies)) as service:
        reply = await service.get("/health", headers={"X-Forwarded-Proto": said})
    assert header == reply.headers.get("Strict-Transport-Security")
