"""Advisories in the OSV format from a folder or an archive, for machines that reach no vulnerability service."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import ZipFile

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.supply_chain.lock import Pinned

_ECOSYSTEM: Final = "PyPI"


class Weakness(NamedTuple):
    """A pinned package that an advisory is about."""

    package: Pinned
    advisory: str
    summary: str


class Advisories:
    """Those about Python packages, by package; withdrawn ones left out."""

    def __init__(self, documents: Iterable[dict[str, Any]]) -> None:
        self.count = 0
        self.newest = ""
        """When one of them was last changed: how old the source is."""
        self._about: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        for document in documents:
            affected = [
                it for it in document.get("affected", ()) if it.get("package", {}).get("ecosystem") == _ECOSYSTEM
            ]
            if "withdrawn" in document or not affected:
                continue
            self.count += 1
            self.newest = max(self.newest, document.get("modified", ""))
            for part in affected:
                self._about.setdefault(canonicalize_name(part["package"]["name"]), []).append((document, part))

    def weaknesses(self, packages: Iterable[Pinned]) -> list[Weakness]:
        """The packages that are affected at the version that is pinned, each with every advisory about it."""
        return [
            Weakness(package, document["id"], document.get("summary", "") or document.get("details", "")[:100])
            for package in packages
            for document, affected in self._about.get(package.name, ())
            if is_affected(package.version, affected)
        ]


def read_advisories(source: Path) -> Advisories:
    """Every ``*.json`` of a folder, or of a zip archive such as OSV publishes for each ecosystem.

    Raises:
        ValueError: there is no advisory about a Python package in it. An empty source would find nothing, and lie.
    """
    found = Advisories(_documents(source))
    if not found.count:
        raise ValueError(f"{source} holds no advisory about a Python package in the OSV format")
    return found


def is_affected(version: str, affected: dict[str, Any]) -> bool:
    """Whether an advisory's entry about a package names `version`, or a range that it lies in."""
    if version in affected.get("versions", ()):
        return True
    try:
        return any(
            _in_range(Version(version), part["events"])
            for part in affected.get("ranges", ())
            if part.get("type") == "ECOSYSTEM"
        )
    except InvalidVersion:
        return True  # what cannot be compared is for a person to judge


def _in_range(version: Version, events: Iterable[dict[str, str]]) -> bool:
    """By the events of a range, in the order of their versions."""
    inside = False
    for event in sorted(events, key=lambda event: _position(*next(iter(event.items())))):
        ((kind, text),) = event.items()
        if kind == "introduced":
            inside = inside or text == "0" or version >= Version(text)
        elif (kind == "fixed" and version >= Version(text)) or (kind == "last_affected" and version > Version(text)):
            inside = False
    return inside


def _position(kind: str, text: str) -> tuple[Version, int]:
    return Version("0" if text == "0" else text), kind != "introduced"


def _documents(source: Path) -> Iterator[dict[str, Any]]:
    if source.is_dir():
        yield from (json.loads(path.read_bytes()) for path in sorted(source.rglob("*.json")))
        return
    with ZipFile(source) as archive:
        yield from (json.loads(archive.read(name)) for name in sorted(archive.namelist()) if name.endswith(".json"))
