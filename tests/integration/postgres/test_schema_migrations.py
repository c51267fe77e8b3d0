"""Migrations are applied once, in order, by one process at a time; a database that differs is noticed."""

import asyncio

import psycopg
import pytest

from loyalty_adapters.postgres.migrations import MigrationDrift, migrate, pending, shipped_migrations

ALL = [migration.name for migration in shipped_migrations()]


async def _run(url: str, statement: bytes) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(statement)


async def test_everything_is_applied_once(empty_database_url: str) -> None:
    """A new database gets all migrations in the order of their numbers; the next run finds nothing to do."""
    assert ALL == await pending(empty_database_url)
    assert ALL == await migrate(empty_database_url)
    assert [] == await pending(empty_database_url)
    assert [] == await migrate(empty_database_url)


async def test_pending_changes_nothing(empty_database_url: str) -> None:
    """Asking what is missing leaves an empty database empty."""
    await pending(empty_database_url)
    async with await psycopg.AsyncConnection.connect(empty_database_url) as connection:
        rows = await connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert (0,) == await rows.fetchone()


async def test_parallel_runs_share_the_work(empty_database_url: str) -> None:
    """Six at once: one applies everything, the others wait for it and apply nothing."""
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(6)))
    assert sorted([ALL, *[[]] * 5]) == sorted(applied)


async def test_a_changed_file_is_noticed(empty_database_url: str) -> None:
    """A migration that is not the one that was applied is named, by both calls, and nothing is applied."""
    await migrate(empty_database_url)
    await _run(empty_database_url, b"UPDATE schema_migrations SET sha256 = 'other' WHERE name = '0001_sessions.sql'")
    for call in (migrate, pending):
        with pytest.raises(MigrationDrift, match="0001_sessions"):
            await call(empty_database_url)


async def test_a_stranger_among_ours_is_noticed(empty_database_url: str) -> None:
    """A migration in between that this version does not ship means another history."""
    await migrate(empty_database_url)
    await _run(empty_database_url, b"INSERT INTO schema_migrations VALUES ('0000_other.sql', 'x')")
    with pytest.raises(MigrationDrift, match="0000_other"):
        await migrate(empty_database_url)


async def test_a_gap_is_noticed(empty_database_url: str) -> None:
    """One of ours that is missing below one that was applied means another history."""
    await migrate(empty_database_url)
    await _run(empty_database_url, b"DELETE FROM schema_migrations WHERE name = '0001_sessions.sql'")
    with pytest.raises(MigrationDrift, match="0001_sessions"):
        await migrate(empty_database_url)


async def test_a_newer_versions_migrations_are_left_alone(empty_database_url: str) -> None:
    """While versions are rolled out, or back, an older one works on a newer database."""
    await migrate(empty_database_url)
    await _run(empty_database_url, b"INSERT INTO schema_migrations VALUES ('9999_later.sql', 'x')")
    assert [] == await migrate(empty_database_url)


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is one transaction: what came before stays, the failed one is undone whole, and can be run again."""
    first, second = shipped_migrations()[:2]
    broken = second._replace(sql=b"CREATE TABLE half_done (); SELECT 1 / 0")
    with monkeypatch.context() as patched:
        patched.setattr("loyalty_adapters.postgres.migrations.shipped_migrations", lambda: (first, broken))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(empty_database_url)
    assert ALL[1:] == await pending(empty_database_url)
    assert ALL[1:] == await migrate(empty_database_url)
