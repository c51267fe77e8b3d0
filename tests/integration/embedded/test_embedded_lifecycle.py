import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from loyalty_adapters.embedded import EmbeddedServers, EmbeddedServersError
from tests import processes
from tests.servers import postgres_major

PARENT = """
import sys, time
from pathlib import Path
from loyalty_adapters.embedded import EmbeddedServers
addresses = EmbeddedServers(Path(sys.argv[1]), postgres_major=int(sys.argv[2])).start()
print(addresses.database_url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def parent(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has started servers in `home`, with synchronous writes, as `loyalty dev` does."""
    command = [sys.executable, "-c", PARENT, str(home), str(postgres_major())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()
    processes.eventually(lambda: not processes.using(home), "the servers end with their parent")


def quick(home: Path, *, persistent_cache: bool = True, tcp: bool = False) -> EmbeddedServers:
    return EmbeddedServers(
        home, postgres_major=postgres_major(), fsync=False, persistent_cache=persistent_cache, tcp=tcp
    )


def write_row(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")


def read_rows(database_url: str) -> list[tuple[int]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT n FROM kept").fetchall()


def test_starts_the_version_asked_for_with_production_durability(home: Path) -> None:
    """The servers are of the asked major, answer at once, and a commit means the disk unless a test says otherwise."""
    with EmbeddedServers(home, postgres_major=postgres_major()) as addresses:
        with psycopg.connect(addresses.database_url) as connection:
            assert postgres_major() == connection.info.server_version // 10_000
            settings = ("fsync", "synchronous_commit", "full_page_writes", "max_connections", "TimeZone")
            values = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in settings]
            assert values == [("on",), ("on",), ("on",), ("200",), ("UTC",)]
        assert redis.Redis.from_url(addresses.redis_url).ping() is True


def test_committed_rows_and_cached_keys_survive_a_restart(home: Path) -> None:
    """Stopping and starting again loses nothing."""
    with quick(home) as addresses:
        write_row(addresses.database_url)
        redis.Redis.from_url(addresses.redis_url).set("kept", "yes")
    with quick(home) as addresses:
        assert read_rows(addresses.database_url) == [(42,)]
        assert redis.Redis.from_url(addresses.redis_url).get("kept") == b"yes"


def test_a_cache_that_is_not_persistent_starts_empty(home: Path) -> None:
    """Without persistence Valkey writes no file and forgets."""
    with quick(home, persistent_cache=False) as addresses:
        redis.Redis.from_url(addresses.redis_url).set("gone", "soon")
    with quick(home, persistent_cache=False) as addresses:
        assert redis.Redis.from_url(addresses.redis_url).dbsize() == 0


def test_only_sockets_in_private_folders_unless_ports_are_asked_for(home: Path) -> None:
    """No TCP port is open, and no other user can enter any folder that leads to a socket or to data."""
    with quick(home) as addresses:
        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert redis.Redis.from_url(addresses.redis_url, decode_responses=True).config_get("port") == {"port": "0"}
        folders = [home, *(path for path in home.iterdir() if path.is_dir())]
        assert {0o700} == {stat.S_IMODE(folder.stat().st_mode) for folder in folders}


def test_opens_loopback_ports_for_tests_that_put_a_proxy_in_between(home: Path) -> None:
    """With `tcp` both URLs lead to 127.0.0.1 and work."""
    with quick(home, tcp=True) as addresses:
        assert "@127.0.0.1:" in addresses.database_url
        assert addresses.redis_url.startswith("redis://127.0.0.1:")
        write_row(addresses.database_url)
        assert read_rows(addresses.database_url) == [(42,)]
        assert redis.Redis.from_url(addresses.redis_url).ping() is True


def test_stopping_leaves_no_process(home: Path) -> None:
    """After stop, even with a client still connected, nothing runs in the folder; stopping twice is fine."""
    servers = quick(home)
    addresses = servers.start()
    client = psycopg.connect(addresses.database_url)
    assert processes.using(home)
    servers.stop()
    servers.stop()
    assert processes.using(home) == {}
    client.close()


def test_a_second_instance_is_refused_in_one_sentence(home: Path, parent: "subprocess.Popen[str]") -> None:
    """Two instances never share a folder: the second one says so at once and does not disturb the first."""
    assert parent.stdout is not None
    database_url = parent.stdout.readline().strip()
    started = time.monotonic()
    with pytest.raises(EmbeddedServersError, match=r"^Another instance is using .*LOYALTY_HOME.*\.$"):
        quick(home).start()
    assert time.monotonic() - started < 1
    write_row(database_url)
    parent.kill()
    parent.wait()
    with quick(home) as addresses:
        assert read_rows(addresses.database_url) == [(42,)]


def test_kill_9_of_the_parent_leaves_no_process_and_every_committed_row(
    home: Path, parent: "subprocess.Popen[str]"
) -> None:
    """The servers end by themselves when their parent is killed, and what was committed is there at the next start."""
    assert parent.stdout is not None
    write_row(parent.stdout.readline().strip())
    orphans = set(processes.using(home)) - {parent.pid}
    assert len(orphans) > 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    with quick(home) as addresses:  # waits for them, however soon it comes
        assert not any(processes.alive(pid) for pid in orphans)
        assert read_rows(addresses.database_url) == [(42,)]


def test_a_killed_server_starts_again_alone(home: Path) -> None:
    """Each server can be killed and started by itself; PostgreSQL recovers what was committed."""
    servers = quick(home)
    addresses = servers.start()
    try:
        write_row(addresses.database_url)
        idle = psycopg.connect(addresses.database_url)  # its backend outlives the server by a moment
        before = servers.postgres.process.pid
        servers.postgres.kill()
        servers.postgres.start()
        assert before != servers.postgres.process.pid
        assert read_rows(addresses.database_url) == [(42,)]
        idle.close()
        servers.valkey.kill()
        servers.valkey.start()
        assert redis.Redis.from_url(addresses.redis_url).ping() is True
    finally:
        servers.stop()
