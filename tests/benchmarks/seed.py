"""A database with a quarter of a shop chain's sales in it: ``python -m tests.benchmarks.seed --sessions 1000000``.

A few hundred sales are lived through the domain and written by the service's own store, some of every kind for every
week; then the database copies each many times under new ids, keys and times. What a copy shares with its model is what
the service never compares between sessions: the words of its basket, its receipt's number.
"""

import argparse
import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

import click
import psycopg
from psycopg import AsyncConnection, sql

from loyalty_adapters.embedded import EmbeddedServers
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.migrations import migrate
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.session import SETTLED
from loyalty_core.ports.unit_of_work import Call, SessionChange, StoredAnswer, UnitOfWork
from loyalty_core.use_cases.answers import record
from loyalty_core.use_cases.session_answers import settled_answer
from tests.benchmarks.seed_copies import Copies
from tests.benchmarks.seed_sales import KINDS, History

DAYS: Final = 90
_WEEK: Final = timedelta(days=7)
_RECENT: Final = timedelta(hours=25)
"""Nothing is younger: what would expire, or be swept, within a day has done so."""
_TABLES: Final = ("sessions", "session_events", "returns", "idempotency_answers")
_HANDS: Final = 2
_INDEXES: Final[LiteralString] = """
SELECT indexname::text, indexdef FROM pg_indexes
 WHERE tablename = ANY(%s) AND schemaname = current_schema() AND indexname NOT LIKE '%%pkey'
"""


class Week(NamedTuple):
    """Seven days to fill, or what is left of them."""

    begins: datetime
    ends: datetime
    models: list[tuple[History, int]]
    """Lives to copy, and how often each."""


async def seed(url: str, sessions: int, *, now: datetime | None = None, tell: Callable[[str], None] = print) -> None:
    """Fill an empty database, migrated or not, with about so many sessions of the last `DAYS` days.

    Raises:
        ValueError: there are sessions in it already.
    """
    began = time.monotonic()
    await migrate(url)
    weeks = _weeks(sessions, (now or datetime.now(UTC)) - _RECENT)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET timezone TO 'UTC'; SET synchronous_commit TO off")
        (there,) = await (await connection.execute("SELECT EXISTS (SELECT FROM sessions)")).fetchone() or (True,)
        if there:
            raise ValueError("there are sessions in this database already")
        await _live(url, weeks)
        await _set_models_aside(connection)
        await connection.execute("CREATE SEQUENCE seed_numbers")
        tell(f"{sum(len(week.models) for week in weeks)} models, {time.monotonic() - began:.0f} s")
        indexes = await (await connection.execute(_INDEXES, ([*_TABLES],))).fetchall()
        for name, _ in indexes:
            await connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        await asyncio.gather(*(_copy(url, weeks[hand::_HANDS]) for hand in range(_HANDS)))
        tell(f"copies, {time.monotonic() - began:.0f} s")
        await asyncio.gather(*(_make(url, [text for _, text in indexes[hand::_HANDS]]) for hand in range(_HANDS)))
        tell(f"indexes, {time.monotonic() - began:.0f} s")
        for table in _TABLES:
            await connection.execute(sql.SQL("DROP TABLE {}").format(_aside(table)))
        await connection.execute("DROP SEQUENCE seed_numbers")
        await connection.execute("VACUUM (ANALYZE, PARALLEL 0)")
        tell(f"vacuum, {time.monotonic() - began:.0f} s")


def _weeks(sessions: int, until: datetime) -> list[Week]:
    begins = until - timedelta(days=DAYS)
    weeks = []
    while begins < until:
        ends = min(begins + _WEEK, until)
        share = sessions * ((ends - begins) / timedelta(days=DAYS)) / sum(kind.weight for kind in KINDS)
        models = [(kind.live(begins), max(1, round(share * kind.weight))) for kind in KINDS]
        weeks.append(Week(begins, ends, models))
        begins = ends
    return weeks


async def _live(url: str, weeks: list[Week]) -> None:
    """Write every model, change by change, as the service would."""
    settings = PostgresSettings(url=url, acquire_timeout=60.0, waiting=10_000)
    async with Connections(settings) as connections:
        store = PostgresSessions(connections, RowAddresses())
        await asyncio.gather(*(_write(store, history) for week in weeks for history, _ in week.models))


async def _write(store: PostgresSessions, history: History) -> None:
    for change in history:
        await store.commit(UnitOfWork(changes=(change,), answer=_answer(change), trace_id="0af7651916cd43dd8448eb21"))


def _answer(change: SessionChange) -> StoredAnswer | None:
    """The answer of record, with the change that settles a sale."""
    session = change.after
    if session.status not in SETTLED or (change.before is not None and change.before.status in SETTLED):
        return None
    return StoredAnswer(call=Call.FINALIZE, body=record(settled_answer(session)).body)


def _aside(table: str) -> sql.Identifier:
    return sql.Identifier(f"seed_{table}")


async def _set_models_aside(connection: AsyncConnection) -> None:
    for table in _TABLES:
        names = {"aside": _aside(table), "table": sql.Identifier(table)}
        await connection.execute(sql.SQL("CREATE UNLOGGED TABLE {aside} AS TABLE {table}").format(**names))
        await connection.execute(sql.SQL("TRUNCATE {table}").format(**names))


async def _copy(url: str, weeks: list[Week]) -> None:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        copies = await Copies.on(connection)
        for week in weeks:
            await copies.of([(history[0].after.id, times) for history, times in week.models], week.begins, week.ends)


async def _make(url: str, definitions: list[str]) -> None:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET maintenance_work_mem TO '512MB'")
        for definition in definitions:
            await connection.execute(definition.encode())


def main() -> None:
    """Fill the database that is named, or one that is started for it and runs until this is interrupted."""
    parser = argparse.ArgumentParser(description="Fill an empty database with a quarter of sales.")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--url", help="an empty database; without it one is started, and thrown away at the end")
    asked = parser.parse_args()
    if asked.url:
        asyncio.run(seed(asked.url, asked.sessions, tell=click.echo))
        return
    home = Path(tempfile.mkdtemp(prefix="loyalty-million-"))
    try:
        with EmbeddedServers(home) as addresses:
            asyncio.run(seed(addresses.database_url, asked.sessions, tell=click.echo))
            click.echo(f"DATABASE_URL={addresses.database_url}\nCtrl-C stops the server and removes the data.")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, psycopg.Error) as error:
        raise SystemExit(str(error)) from None
