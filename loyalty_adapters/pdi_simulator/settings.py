"""The simulator's settings: options first, then `PDI_SIM_*`, then defaults."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DEFAULT_CLIENT_ID: Final = "loyalty-dev"
DEFAULT_CLIENT_SECRET: Final = "loyalty-dev-secret"  # noqa: S105 - a public default of a simulator that refuses production
_HIGHEST_PORT: Final = 65_535
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


class SettingsError(Exception):
    """The simulator was started in a way it refuses; the message is one sentence for a person."""


@dataclass(frozen=True)
class Settings:
    """Where to listen, where to keep the books, whom to trust. `parent` is a process id to die with, 0 for any."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 4010
    client_id: str = DEFAULT_CLIENT_ID
    client_secret: str = field(default=DEFAULT_CLIENT_SECRET, repr=False)
    fsync: bool = True
    token_ttl_seconds: int = 3600
    session_ttl_hours: float = 24.0
    parent: int | None = None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from the command line and the environment.

    Raises:
        SettingsError: production, or a value that cannot be read.
        SystemExit: `--help`, or an option argparse refuses.
    """
    refuse_production(environment)
    options = _parser().parse_args(arguments)
    env = _Environment(environment)
    settings = Settings(
        data_dir=Path(options.data or env.text("PDI_SIM_DATA") or ".loyalty/pdi-simulator"),
        host=options.host or env.text("PDI_SIM_HOST") or Settings.host,
        port=options.port if options.port is not None else int(env.number("PDI_SIM_PORT", Settings.port)),
        client_id=options.client_id or env.text("PDI_SIM_CLIENT_ID") or env.text("PDI_CLIENT_ID") or DEFAULT_CLIENT_ID,
        client_secret=options.client_secret
        or env.secret("PDI_SIM_CLIENT_SECRET")
        or env.secret("PDI_CLIENT_SECRET")
        or DEFAULT_CLIENT_SECRET,
        fsync=False if options.no_fsync else env.flag("PDI_SIM_FSYNC", default=True),
        token_ttl_seconds=options.token_ttl
        if options.token_ttl is not None
        else int(env.number("PDI_SIM_TOKEN_TTL", Settings.token_ttl_seconds)),
        session_ttl_hours=options.session_ttl_hours
        if options.session_ttl_hours is not None
        else env.number("PDI_SIM_SESSION_TTL_HOURS", Settings.session_ttl_hours),
        parent=options.die_with_parent,
    )
    if not 0 <= settings.port <= _HIGHEST_PORT:
        raise SettingsError(f"The port lies between 0 and {_HIGHEST_PORT}.")
    if settings.token_ttl_seconds <= 0 or settings.session_ttl_hours <= 0:
        raise SettingsError("Tokens and sessions live longer than no time at all.")
    return settings


def refuse_production(environment: Mapping[str, str]) -> None:
    """A simulator that takes itself for PDI in production would give points that exist nowhere.

    Raises:
        SettingsError: `APP_ENV` or `NODE_ENV` says production.
    """
    for name in ("APP_ENV", "NODE_ENV"):
        if environment.get(name, "").strip().lower() == "production":
            raise SettingsError(f"The PDI simulator refuses to start because {name} says production.")


class _Environment:
    """Environment variables, read with a name in every complaint and never a value."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "").strip()

    def secret(self, name: str) -> str:
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE names a file that cannot be read.") from error

    def number(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            return float(text) if text else default
        except ValueError:
            raise SettingsError(f"{name} is not a number.") from None

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name).lower()
        if text and text not in _TRUE | _FALSE:
            raise SettingsError(f"{name} is neither true nor false.")
        return text in _TRUE if text else default


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loyalty_adapters.pdi_simulator",
        description="A PDI of our own over real HTTP, with a durable point ledger and faults on demand.",
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port; 0 takes a free one (default 4010)")
    parser.add_argument("--data", help="folder of the ledger (default .loyalty/pdi-simulator)")
    parser.add_argument("--client-id", help="OAuth2 client id it accepts")
    parser.add_argument(
        "--client-secret", help="its secret; better given as PDI_CLIENT_SECRET or PDI_CLIENT_SECRET_FILE"
    )
    parser.add_argument("--token-ttl", type=int, metavar="SECONDS", help="life of a bearer token (default 3600)")
    parser.add_argument("--session-ttl-hours", type=float, metavar="HOURS", help="life of a PDI session (default 24)")
    parser.add_argument("--no-fsync", action="store_true", help="survive kill -9 but not a power cut; faster")
    parser.add_argument(
        "--die-with-parent",
        nargs="?",
        type=int,
        const=0,
        metavar="PID",
        help="end when the parent process ends; with its id, also where it is gone already",
    )
    return parser


def from_process(arguments: Sequence[str]) -> Settings:
    """Settings of this process."""
    return read_settings(arguments, os.environ)
