import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path


class DevelopmentHome:
    """The folder in which a development stack keeps all its state (0700): data, secrets, logs, addresses."""

    def __init__(self, path: Path) -> None:
        """Makes the folder where there is none."""
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def logs(self) -> Path:
        """Where the programs' output goes."""
        return self.path / "logs"

    @property
    def environment_file(self) -> Path:
        """Addresses and the demo key as shell assignments. While the stack runs it exists once the stack is ready."""
        return self.path / "dev.env"

    @property
    def service_file(self) -> Path:
        """The same for the service's own settings, secrets among them: what its commands need to reach this stack."""
        return self.path / "service.env"

    def secret(self, name: str) -> str:
        """The secret `name`: made on first use, the same ever after."""
        kept = self.read(name)
        if kept is None:
            kept = secrets.token_urlsafe(32)
            self.write(name, kept)
        return kept

    def read(self, name: str) -> str | None:
        """What is kept under `name`, if anything."""
        try:
            return (self.path / name).read_text().strip() or None
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        """Keep `text` under `name`, readable by this user alone, whole or not at all."""
        beside = self.path / f"{name}.new"
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{text}\n")
        beside.replace(self.path / name)

    def publish(self, values: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Write the environment files: for scripts, and for the service's commands run by hand."""
        for file, pairs in ((self.environment_file, values), (self.service_file, settings)):
            self.write(file.name, "\n".join(f"{key}={shlex.quote(value)}" for key, value in pairs.items()))

    def unpublish(self) -> None:
        """Remove what an earlier run has published."""
        self.environment_file.unlink(missing_ok=True)
        self.service_file.unlink(missing_ok=True)
