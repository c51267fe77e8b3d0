import asyncio

import click
import psycopg

from loyalty_adapters.postgres.migrations import MigrationDrift, pending
from loyalty_adapters.postgres.migrations import migrate as apply
from loyalty_web.cli.plainly import plainly
from loyalty_web.settings import read_section
from loyalty_web.storage_settings import DatabaseSettings


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where something is to be applied.")
def migrate(check: bool) -> None:
    """Bring the database up to date. Safe at any time, and from many places at once."""
    with plainly():
        url = read_section(DatabaseSettings).url
    try:
        names = asyncio.run(pending(url) if check else apply(url))
    except MigrationDrift as drift:
        raise click.ClickException(f"The database does not fit this version: {drift}.") from drift
    except psycopg.Error as error:
        raise click.ClickException(f"The database could not be brought up to date: {_named(error)}.") from error
    for name in names:
        click.echo(f"{'to apply' if check else 'applied'}: {name}")
    if not names:
        click.echo("The database is up to date.")
    elif check:
        raise SystemExit(1)


def _named(error: psycopg.Error) -> str:
    """What happened, without the driver's own words: they quote the address that it was given."""
    if error.sqlstate is not None:
        return f"PostgreSQL answered {error.diag.message_primary or 'an error'} (SQLSTATE {error.sqlstate})"
    return "it cannot be reached at DATABASE_URL"
