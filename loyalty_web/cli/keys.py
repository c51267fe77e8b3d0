import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Column, Table

from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_core.domain.channel_patterns import check_channel_pattern
from loyalty_core.domain.identifiers import ClientId, check_external_id
from loyalty_core.ports.api_keys import ApiKey, KeyId, Scope
from loyalty_web.api_keys import Peppers, new_key
from loyalty_web.cli.durations import Duration
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.storage import with_connections
from loyalty_web.service_settings import KeySettings
from loyalty_web.settings import read_section

ResultT = TypeVar("ResultT")

_NO_SUCH_KEY: Final = "There is no such key; `loyalty keys list` shows the ids."


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command()
@click.option("--client", required=True, help="The client that owns the key, and its channels.")
@click.option("--channels", required=True, help="Channels it may use, by comma: names, or beginnings such as `POS-*`.")
@click.option("--scopes", default="pos", show_default=True, help="What it may be used for, by comma: pos, ops.")
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="When it ends by itself; without, never.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def create(client: str, channels: str, scopes: str, expires_in_days: int | None, as_json: bool) -> None:
    """Make a key and show it, this one time."""
    with plainly():
        settings = read_section(KeySettings)
        made = new_key()
        now = datetime.now(UTC)
        key = ApiKey(
            id=made.id,
            digest=Peppers(settings.pepper, settings.previous_pepper).digest(made.text),
            client=ClientId(check_external_id("client", client)),
            channels=tuple(check_channel_pattern("channels", pattern) for pattern in _listed(channels)),
            scopes=frozenset(_scope(name) for name in _listed(scopes)),
            created_at=now,
            expires_at=None if expires_in_days is None else now + timedelta(days=expires_in_days),
        )
        _with_keys(lambda store: store.add(key))
    if as_json:
        click.echo(json.dumps({"key": made.text, **_described(key)}))
    else:
        click.echo(f"Key of client {client} for {', '.join(key.channels)}, shown only now:\n{made.text}")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
def list_(as_json: bool) -> None:
    """List all keys there are or were; none can be shown again."""
    with plainly():
        found = _with_keys(lambda store: store.every())
    if as_json:
        click.echo(json.dumps([_described(key) for key in found]))
        return
    table = Table(Column("id", no_wrap=True), "client", "channels", "scopes", "created", "expires", "revoked", "used")
    for key in found:
        table.add_row(
            key.id,
            key.client,
            ", ".join(key.channels),
            ", ".join(sorted(key.scopes)),
            *(_day(at) for at in (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)),
        )
    Console().print(table)


@keys.command()
@click.argument("key_id")
@click.option(
    "--grace",
    type=Duration(),
    default="24h",
    show_default=True,
    help="How long the old key still opens, such as 30m, 24h or 7d; 0: not any more.",
)
@click.option(
    "--expires-in-days",
    type=click.IntRange(1, 3650),
    help="When the new key ends by itself; without, after as long as the old one was made for.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")  # fmt: skip
def rotate(key_id: str, grace: timedelta, expires_in_days: int | None, as_json: bool) -> None:
    """Make a key that follows another, with the same client, channels and scopes, and show it, this one time.

    Both open until the grace is over; `loyalty keys list` shows whether the old one is still in use.
    """
    with plainly():
        settings = read_section(KeySettings)
        digest = Peppers(settings.pepper, settings.previous_pepper).digest

        async def follow(store: PostgresApiKeys) -> tuple[str, ApiKey | None]:
            now = datetime.now(UTC)
            old = await store.find(KeyId(key_id))
            if old is None:
                return "", None
            made = new_key()
            lasts = _lifetime(old) if expires_in_days is None else timedelta(days=expires_in_days)
            successor = ApiKey(
                id=made.id,
                digest=digest(made.text),
                client=old.client,
                channels=old.channels,
                scopes=old.scopes,
                created_at=now,
                expires_at=None if lasts is None else now + lasts,
            )
            return made.text, await store.succeed(successor, old.id, now, now + grace)

        text, key = _with_keys(follow)
    if key is None:
        raise click.ClickException(_NO_SUCH_KEY)
    if as_json:
        click.echo(json.dumps({"key": text, "follows": key_id, **_described(key)}))
    else:
        until = f"{datetime.now(UTC) + grace:%Y-%m-%d %H:%M} UTC"
        click.echo(f"Key of client {key.client} for {', '.join(key.channels)}, shown only now:\n{text}")
        click.echo(f"Key {key_id} opens until {until} at the latest.", err=True)


@keys.command()
@click.argument("key_id")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def revoke(key_id: str, as_json: bool) -> None:
    """End a key, by its id: within a second it opens nothing any more, anywhere."""
    with plainly():
        key = _with_keys(lambda store: store.revoke(KeyId(key_id), datetime.now(UTC)))
    if key is None:
        raise click.ClickException(_NO_SUCH_KEY)
    click.echo(json.dumps(_described(key)) if as_json else f"Key {key.id} of client {key.client} is revoked.")


def _with_keys(work: Callable[[PostgresApiKeys], Awaitable[ResultT]]) -> ResultT:
    """What `work` makes of the stored keys."""
    return with_connections(lambda connections: work(PostgresApiKeys(connections)))


def _lifetime(key: ApiKey) -> timedelta | None:
    """How long a key was made for; None: for good."""
    return None if key.expires_at is None else key.expires_at - key.created_at


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _scope(name: str) -> Scope:
    try:
        return Scope(name)
    except ValueError:
        raise click.BadParameter(f"must be of {', '.join(Scope)}", param_hint="--scopes") from None


def _described(key: ApiKey) -> dict[str, Any]:
    times = {
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
        "lastUsedAt": key.last_used_at,
    }
    return {
        "id": key.id,
        "client": key.client,
        "channels": list(key.channels),
        "scopes": sorted(key.scopes),
        **{name: None if at is None else at.isoformat() for name, at in times.items()},
    }


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"
