"""Brings a database to the schema this version needs: numbered plain SQL files, each applied once, in order."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final, LiteralString, NamedTuple

from psycopg import AsyncConnection

_PATIENCE: Final = 10
_ONE_AT_A_TIME: Final[LiteralString] = "SELECT pg_advisory_lock(hashtext('loyalty.schema_migrations'))"
# Waiting for another run is fine; making live traffic queue behind a table lock is not.
_PATIENT: Final[LiteralString] = "SET lock_timeout = '60s'"
_IMPATIENT: Final[LiteralString] = "SET lock_timeout = '5s'"
_UNBOUNDED: Final[LiteralString] = "SET statement_timeout = 0"
_LEDGER_EXISTS: Final[LiteralString] = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_MAKE_LEDGER: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text COLLATE "C" PRIMARY KEY,
    sha256 text COLLATE "C" NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_READ_LEDGER: Final[LiteralString] = "SELECT name, sha256 FROM schema_migrations"
_WRITE_LEDGER: Final[LiteralString] = "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)"


class MigrationDrift(Exception):
    """The database was not built from these migrations; the message says which one differs."""


class Migration(NamedTuple):
    """One file: its name, its SQL, and the hash by which a later change of it is noticed."""

    name: str
    sql: bytes
    sha256: str


def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations of this version, in the order of their numbers."""
    files = resources.files(__package__).joinpath("migrations").iterdir()
    return tuple(
        Migration(file.name, file.read_bytes(), hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(files, key=lambda file: file.name)
        if file.name.endswith(".sql")
    )


async def migrate(database_url: str) -> list[str]:
    """Apply what is missing, each file in a transaction of its own; the names of those applied.

    Safe to run at any time and from many processes at once: one works, the others wait for it and find nothing to do.

    Raises:
        MigrationDrift: an applied migration differs from the one shipped, or one is missing in between.
        psycopg.Error: the database cannot be reached, or refuses a statement. Files before it stay applied.
    """
    applied = []
    async with _connected(database_url) as connection:
        await connection.execute(_PATIENT)
        await connection.execute(_ONE_AT_A_TIME)
        await connection.execute(_IMPATIENT)
        await connection.execute(_MAKE_LEDGER)
        for migration in await _missing(connection):
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(_WRITE_LEDGER, (migration.name, migration.sha256))
            applied.append(migration.name)
    return applied


async def pending(database_url: str, *, patience: int = _PATIENCE) -> list[str]:
    """The names of the migrations that `migrate` would apply. Changes nothing. Connects within `patience` seconds.

    Raises:
        MigrationDrift: as `migrate`.
        psycopg.Error: the database cannot be reached.
    """
    async with _connected(database_url, patience) as connection:
        found = await (await connection.execute(_LEDGER_EXISTS)).fetchone()
        if found is None or not found[0]:
            return [migration.name for migration in shipped_migrations()]
        return [migration.name for migration in await _missing(connection)]


@asynccontextmanager
async def _connected(database_url: str, patience: int = _PATIENCE) -> AsyncIterator[AsyncConnection]:
    """A connection of its own; closing it releases the lock, also when this process dies."""
    async with await AsyncConnection.connect(
        database_url, autocommit=True, connect_timeout=patience, application_name="loyalty-migrate"
    ) as connection:
        await connection.execute(_UNBOUNDED)
        yield connection


async def _missing(connection: AsyncConnection) -> list[Migration]:
    applied: dict[str, str] = dict(await (await connection.execute(_READ_LEDGER)).fetchall())
    shipped = shipped_migrations()
    _check_drift(applied, shipped)
    return [migration for migration in shipped if migration.name not in applied]


def _check_drift(applied: dict[str, str], shipped: tuple[Migration, ...]) -> None:
    """Hold the database to the files. Migrations later than all of ours are a newer version's, and left alone."""
    for migration in shipped:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationDrift(
                f"{migration.name} was changed after it had been applied; write a new migration instead"
            )
    known = {migration.name for migration in shipped}
    last = max(known)
    if strangers := sorted(name for name in applied.keys() - known if name < last):
        raise MigrationDrift(f"the database has {', '.join(strangers)}, which this version does not ship")
    newest = max(applied, default="")
    if gaps := [migration.name for migration in shipped if migration.name not in applied and migration.name < newest]:
        raise MigrationDrift(f"{', '.join(gaps)} is missing although {newest} was applied; restore a matching database")
