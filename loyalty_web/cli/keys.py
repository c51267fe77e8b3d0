import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Column, Table

from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.channel_patterns import check_channel_pattern
from loyalty_core.domain.identifiers import ClientId, check_external_id
from loyalty_core.ports.api_keys import ApiKey, KeyId, Scope
from loyalty_web.api_keys import Peppers, new_key
from loyalty_web.cli.plainly import plainly
from loyalty_web.settings import DatabaseSettings, KeySettings, read_section

ResultT = TypeVar("ResultT")


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


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
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def revoke(key_id: str, as_json: bool) -> None:
    """End a key, by its id: within a second it opens nothing any more, anywhere."""
    with plainly():
        key = _with_keys(lambda store: store.revoke(KeyId(key_id), datetime.now(UTC)))
    if key is None:
        raise click.ClickException("There is no such key; `loyalty keys list` shows the ids.")
    click.echo(json.dumps(_described(key)) if as_json else f"Key {key.id} of client {key.client} is revoked.")


def _with_keys(work: Callable[[PostgresApiKeys], Awaitable[ResultT]]) -> ResultT:
    """What `work` makes of the stored keys."""
    url = read_section(DatabaseSettings).url

    async def run() -> ResultT:
        settings = PostgresSettings(url=url, intake_connections=1, outcome_connections=1, acquire_timeout=5.0)
        async with Connections(settings) as connections:
            return await work(PostgresApiKeys(connections))

    return asyncio.run(run())


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
