"""What requirements.lock pins, and which of it a deployment installs."""

import re
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK: Final = Path(__file__).parents[2] / "requirements.lock"
_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_OURS: Final = "loyalty-service"


class Pinned(NamedTuple):
    """One package of the lock, with the lines that stand there."""

    name: str
    version: str
    text: str


def pinned(lock: Path = LOCK) -> tuple[Pinned, ...]:
    """Everything the lock pins, development's tools included. ValueError for a line that pins nothing."""
    packages: list[Pinned] = []
    for block in re.split(r"^(?=\S)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE):
        if not block.strip():
            continue
        found = _PIN.match(block)
        if found is None or "--hash=sha256:" not in block:
            raise ValueError(f"not a version with its hashes: {block.splitlines()[0]}")
        packages.append(Pinned(canonicalize_name(found["name"]), found["version"], block))
    return tuple(packages)


def deployed() -> frozenset[str]:
    """The packages that a deployment needs: the service's own, and what those need, as they are installed here."""
    wanted, known = [Requirement(f"{_OURS}[service]")], set[tuple[str, str]]()
    while wanted:
        requirement = wanted.pop()
        for extra in ("", *sorted(requirement.extras)):
            name = canonicalize_name(requirement.name)
            if (name, extra) in known:
                continue
            known.add((name, extra))
            needed = map(Requirement, metadata.requires(requirement.name) or ())
            wanted += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": extra})]
    return frozenset(name for name, _ in known) - {_OURS}
