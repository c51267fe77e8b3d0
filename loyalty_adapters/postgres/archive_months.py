"""The months of the archive: which one a session belongs to, and the partitions that hold it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql

# One after another, however many processes find a month missing; whoever has waited finds it there.
_ONE_AT_A_TIME: Final[LiteralString] = "SELECT pg_advisory_xact_lock(hashtext('loyalty.archive_months'))"
_ATTACHED: Final[LiteralString] = """
SELECT month.relname::text FROM pg_inherits JOIN pg_class month ON month.oid = inhrelid
 WHERE inhparent IN ('sessions_archive'::regclass, 'session_events_archive'::regclass, 'returns_archive'::regclass)
"""
_TAKEN: Final[LiteralString] = """
SELECT name FROM unnest(%(names)s::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NOT NULL
"""
# ATTACH lets everybody read and write meanwhile, which CREATE TABLE ... PARTITION OF would not.
_CREATE: Final = sql.SQL("CREATE TABLE {month} (LIKE {archive} INCLUDING ALL)")
_ATTACH: Final = sql.SQL("ALTER TABLE {archive} ATTACH PARTITION {month} FOR VALUES FROM ({first}) TO ({beyond})")

ARCHIVES: Final = ("sessions_archive", "session_events_archive", "returns_archive")
_MILLISECONDS: Final = 80
"""How many bits of a session's id stand below those that count the milliseconds since 1970."""


def month_of(session: UUID) -> date:
    """The first day of the month, in UTC, in which the session was opened: its id says when."""
    opened = datetime.fromtimestamp((session.int >> _MILLISECONDS) // 1000, UTC)
    return date(opened.year, opened.month, 1)


def month_after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def first_id(month: date) -> UUID:
    """The least id that a session opened in the month could have."""
    began = datetime(month.year, month.month, 1, tzinfo=UTC)
    return UUID(int=int(began.timestamp()) * 1000 << _MILLISECONDS)


def partition(archive: str, month: date) -> str:
    """The name of a month's part of one of the `ARCHIVES`: `sessions_archive_2026_11`."""
    return f"{archive}_{month:%Y_%m}"


async def months_at_hand(connection: AsyncConnection[Any], months: Iterable[date]) -> set[date]:
    """Those of `months` that the archives have a place for; places that are missing are made.

    Works in the caller's transaction, which has to be committed before anything is moved. A month remains without a
    place where a table of its name exists and is no part of the archive: it was detached, and what becomes of it is
    for its operator to say.
    """
    wanted = set(months)
    if not await _missing(connection, wanted):
        return wanted
    await connection.execute(_ONE_AT_A_TIME)
    missing = await _missing(connection, wanted)
    rows = await connection.execute(_TAKEN, {"names": [name for names in missing.values() for name in names]})
    taken = {name for (name,) in await rows.fetchall()}
    detached = {month for month, names in missing.items() if taken.intersection(names)}
    for month in sorted(missing.keys() - detached):
        for name, archive in missing[month].items():
            await _add(connection, name, archive, month)
    return wanted - detached


async def _missing(connection: AsyncConnection[Any], months: Iterable[date]) -> dict[date, dict[str, str]]:
    """Of each month that is not whole: the names of the partitions it lacks, and whose they would be."""
    rows = await connection.execute(_ATTACHED)
    attached = {name for (name,) in await rows.fetchall()}
    lacking = {
        month: {name: archive for archive in ARCHIVES if (name := partition(archive, month)) not in attached}
        for month in months
    }
    return {month: names for month, names in lacking.items() if names}


async def _add(connection: AsyncConnection[Any], name: str, archive: str, month: date) -> None:
    names = {"month": sql.Identifier(name), "archive": sql.Identifier(archive)}
    await connection.execute(_CREATE.format(**names))
    bounds = {"first": sql.Literal(str(first_id(month))), "beyond": sql.Literal(str(first_id(month_after(month))))}
    await connection.execute(_ATTACH.format(**names, **bounds))
