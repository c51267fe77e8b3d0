"""Where the tests' PostgreSQL and Redis come from, and how each test gets its own corner of them.

In this order: `DATABASE_URL` and `REDIS_URL` where given; with `LOYALTY_TEST_SERVERS=containers`, containers of the
images in docker/compose.yaml; otherwise embedded servers, PostgreSQL 16 or the major in `LOYALTY_TEST_POSTGRES`.
Every process of pytest-xdist has its own servers: they start in half a second, and sharing would cost more.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import psycopg
import redis
from psycopg import sql

from loyalty_adapters.embedded import EmbeddedServers

COMPOSE_FILE = Path(__file__).parent.parent / "docker" / "compose.yaml"
_HIGHEST_REDIS_DATABASE = 15
_CLAIM = "loyalty-tests"


class ServersUnavailableError(Exception):
    """The servers asked for cannot be had here. Never a reason to skip."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of this test process."""

    database_url: str
    redis_url: str
    mine: bool
    """Whether they were started for these tests alone, so that nothing in them can be anyone else's."""


def postgres_major() -> int:
    """The major version the embedded suites run on."""
    return int(os.environ.get("LOYALTY_TEST_POSTGRES", "16"))


def wants_containers() -> bool:
    """Whether the suites shall run on the images of docker/compose.yaml. Raises on a word it does not know."""
    wanted = os.environ.get("LOYALTY_TEST_SERVERS", "embedded")
    if wanted not in {"embedded", "containers"}:
        raise ServersUnavailableError(f"LOYALTY_TEST_SERVERS is `{wanted}`: it may be `embedded` or `containers`.")
    return wanted == "containers"


def description() -> str:
    """Which servers the suites run on, in one line for pytest's header and summary."""
    chosen = "containers" if wants_containers() else f"embedded PostgreSQL {postgres_major()} and Valkey"
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ]
    return chosen if not given else f"{' and '.join(given)} as given, else {chosen}"


def require_engine() -> None:
    """Raise `ServersUnavailableError` where no Docker engine answers."""
    import docker  # noqa: PLC0415 - slow, and only this mode needs it

    try:
        engine = docker.from_env(timeout=2)
        engine.ping()
        engine.close()
    except docker.errors.DockerException as error:
        message = f"LOYALTY_TEST_SERVERS=containers needs a Docker engine, and none answers: {error}"
        raise ServersUnavailableError(message) from error


@contextmanager
def running_servers(home: Path) -> Iterator[Servers]:
    """The servers of this test process, for as long as the block runs; embedded ones live in `home`."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    with ExitStack() as running:
        if database_url and redis_url:
            yield Servers(database_url, redis_url, mine=False)
        elif wants_containers():
            started = running.enter_context(_containers())
            yield Servers(database_url or started.database_url, redis_url or started.redis_url, mine=not redis_url)
        else:
            running.callback(shutil.rmtree, home, ignore_errors=True)
            addresses = running.enter_context(
                EmbeddedServers(home, postgres_major=postgres_major(), fsync=False, persistent_cache=False)
            )
            yield Servers(database_url or addresses.database_url, redis_url or addresses.redis_url, mine=not redis_url)


@contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - slow to import, rarely wanted
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415 - as above

    require_engine()
    postgres = PostgresContainer(_compose_image("postgres"), driver=None)
    valkey = RedisContainer(_compose_image("redis"))
    with postgres, valkey:
        redis_url = f"redis://{valkey.get_container_host_ip()}:{valkey.get_exposed_port(6379)}/0"
        yield Servers(postgres.get_connection_url(), redis_url, mine=True)


def _compose_image(name: str) -> str:
    """The image that docker/compose.yaml names, so that tests and deployment never drift apart."""
    found = re.search(rf"^\s*image:\s*[\"']?({name}:[\w.-]+)", COMPOSE_FILE.read_text(), re.MULTILINE)
    if found is None:
        raise ServersUnavailableError(f"{COMPOSE_FILE} names no image of {name}.")
    return found.group(1)


class Databases:
    """Makes and drops databases on one PostgreSQL server; names are unique to this test process."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._connection = psycopg.connect(server_url, autocommit=True)
        self._prefix = f"loyalty_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
        self._made = 0

    @contextmanager
    def fresh(self, template: str = "template0") -> Iterator[str]:
        """The URL of a new database, a copy of the database `template`; dropped afterwards, whoever is connected."""
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self._connection.execute(made)
        try:
            yield _written(urlsplit(self._server_url)._replace(path=f"/{name}"))
        finally:
            dropped = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            self._connection.execute(dropped)

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()


def database_name(url: str) -> str:
    """The name of the database that a URL leads to."""
    return urlsplit(url).path.removeprefix("/")


class RedisCorner:
    """One numbered database of a Redis server, this test process's own, emptied before each test."""

    def __init__(self, servers: Servers) -> None:
        """Raises `ServersUnavailableError` where the database holds keys that no test run has put there."""
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        self.url = servers.redis_url if servers.mine else _numbered(servers.redis_url, _HIGHEST_REDIS_DATABASE - worker)
        self._client = redis.Redis.from_url(self.url)
        if not servers.mine and self._client.dbsize() and not self._client.exists(_CLAIM):
            raise ServersUnavailableError("The Redis database the tests would empty holds other keys: see REDIS_URL.")
        self._leave_claim = not servers.mine

    def empty(self) -> str:
        """Remove every key; the URL to use."""
        self._client.flushdb()
        if self._leave_claim:
            self._client.set(_CLAIM, "1")
        return self.url

    def close(self) -> None:
        """Leave nothing behind."""
        self._client.flushdb()
        self._client.close()


def _numbered(url: str, number: int) -> str:
    """The same server, database `number`: in the path of redis:// URLs, in the query of unix:// ones."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return _written(parts._replace(path=f"/{number}"))
    query = {**dict(parse_qsl(parts.query)), "db": str(number)}
    return _written(parts._replace(query=urlencode(query)))


def _written(url: SplitResult) -> str:
    """A URL's text. `geturl` drops the slashes of an empty host, which every driver insists on."""
    return f"{url.scheme}://{url.netloc}{url.path}" + (f"?{url.query}" if url.query else "")
