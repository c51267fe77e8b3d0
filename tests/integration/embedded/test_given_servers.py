import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from loyalty_adapters.embedded import EmbeddedServers, ServerAddresses
from tests.servers import postgres_major

SUITE = """
import psycopg, redis

def test_has_a_database_and_a_cache_of_its_own(empty_database_url, redis_url):
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE mine ()")
    redis.Redis.from_url(redis_url).set("mine", "1")
"""


@pytest.fixture
def given(tmp_path: Path) -> Iterator[ServerAddresses]:
    """Servers that somebody else has started, and uses."""
    with EmbeddedServers(tmp_path / "given", postgres_major=postgres_major(), fsync=False) as addresses:
        redis.Redis.from_url(addresses.redis_url).set("someone", "else's")
        yield addresses


def run_suite(folder: Path, **servers: str) -> "subprocess.CompletedProcess[str]":
    """Run a small suite of its own with the fixtures and the configuration of this project."""
    suite = folder / "test_suite.py"
    suite.write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "tests.conftest", str(suite)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=Path(__file__).parents[3], env=environment | servers, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_given_servers_are_used_and_left_as_they_were(tmp_path: Path, given: ServerAddresses) -> None:
    """With DATABASE_URL and REDIS_URL the suites run there, in databases of their own, and leave nothing."""
    done = run_suite(tmp_path, DATABASE_URL=given.database_url, REDIS_URL=given.redis_url)
    assert "1 passed" in done.stdout, done.stdout
    assert "servers: DATABASE_URL and REDIS_URL as given" in done.stdout
    with psycopg.connect(given.database_url) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'loyalty_test%%'").fetchall()
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert names == []
    assert tables == []
    client = redis.Redis.from_url(given.redis_url)
    assert client.get("someone") == b"else's"
    assert {"db0"} == set(client.info("keyspace"))


def test_a_cache_with_other_keys_is_never_emptied(tmp_path: Path, given: ServerAddresses) -> None:
    """The suites refuse to flush a Redis database in which somebody else keeps something."""
    occupied = given.redis_url.replace("db=0", "db=15")
    redis.Redis.from_url(occupied).set("precious", "1")
    done = run_suite(tmp_path, DATABASE_URL=given.database_url, REDIS_URL=given.redis_url)
    assert "holds other keys" in done.stdout, done.stdout
    assert redis.Redis.from_url(occupied).get("precious") == b"1"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("containers", "needs a Docker engine, and none answers"), ("dcoker", "may be `embedded` or `containers`")],
)
def test_servers_that_cannot_be_had_stop_the_run(tmp_path: Path, wanted: str, reason: str) -> None:
    """Asked for containers without an engine, or for what does not exist, the run ends with a sentence, not skips."""
    done = run_suite(tmp_path, LOYALTY_TEST_SERVERS=wanted, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.startswith("ERROR: LOYALTY_TEST_SERVERS")
    assert reason in done.stderr
    assert "skipped" not in done.stdout
