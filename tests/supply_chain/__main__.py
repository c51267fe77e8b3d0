"""`python -m tests.supply_chain audit` and `sbom FILE`; see the Makefile."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import BadZipFile

from tests.supply_chain.advisories import read_advisories
from tests.supply_chain.lock import LOCK, deployed, pinned

_CLEAN, _WEAK, _NOT_ASKED = 0, 1, 2


def audit() -> int:
    """0: each package of the lock was asked about and none is known to be weak; 1: one is; 2: nobody could be asked."""
    source = os.environ.get("ADVISORIES")
    return _audit_offline(Path(source)) if source else _audit_online()


def sbom(target: Path) -> int:
    """Write what a deployment installs, with its hashes, as CycloneDX 1.6 in JSON, validated against its schema."""
    wanted = deployed()
    listed = [package for package in pinned() if package.name in wanted]
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [_tool("cyclonedx-py"), "requirements", "-", "--pyproject", str(LOCK.with_name("pyproject.toml"))]
    command += [
        "--output-reproducible",
        "--spec-version",
        "1.6",
        "--output-format",
        "JSON",
        "--validate",
        "-o",
        str(target),
    ]
    subprocess.run(command, input="".join(package.text for package in listed), text=True, check=True)
    count = len(json.loads(target.read_text(encoding="utf-8"))["components"])
    _say(f"{target}: {count} packages, each with its hashes.")
    return 0 if count == len(listed) else 1


def _audit_online() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [_tool("pip-audit"), "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--no-deps"]
        command += ["--vulnerability-service", "osv", "--progress-spinner", "off", "--timeout", "10"]
        run = subprocess.run(
            [*command, "--format", "json", "--output", str(report)], capture_output=True, text=True, check=False
        )
        if not report.exists():  # it ends with 1 too where it has not asked anybody
            why = (run.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            _say(f"NOT AUDITED: the vulnerability service could not be asked ({why[:200]}).")
            _say("Where there is no way to it, ADVISORIES=path names a folder or zip of advisories in the OSV format.")
            return _NOT_ASKED
        asked = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    skipped = [it for it in asked if "skip_reason" in it]
    for package in asked:
        for weakness in package.get("vulns", ()):
            fixed = ", ".join(weakness["fix_versions"]) or "no version yet"
            _say(f"{package['name']} {package['version']}: {weakness['id']}, fixed in {fixed}")
    _say(f"{len(asked) - len(skipped)} packages asked about at osv.dev, {len(skipped)} skipped.")
    return _NOT_ASKED if skipped else run.returncode


def _audit_offline(source: Path) -> int:
    try:
        advisories = read_advisories(source)
    except (OSError, ValueError, BadZipFile) as error:
        _say(f"NOT AUDITED: {error}")
        return _NOT_ASKED
    packages = pinned()
    found = advisories.weaknesses(packages)
    for weakness in found:
        _say(f"{weakness.package.name} {weakness.package.version}: {weakness.advisory} {weakness.summary}")
    _say(f"{len(packages)} packages against {advisories.count} advisories, the newest of {advisories.newest[:10]}.")
    return _WEAK if found else _CLEAN


def _tool(name: str) -> str:
    """A program of this very environment."""
    return str(Path(sys.executable).parent / name)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["audit"]:
            sys.exit(audit())
        case ["sbom", file]:
            sys.exit(sbom(Path(file)))
        case _:
            sys.exit("audit, or sbom FILE")
