"""The archive is divided by months in UTC, and months can be added and taken out beside live traffic."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from loyalty_adapters.postgres.archive_months import ARCHIVES, first_id, month_after, month_of, partition
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.session_store import KeyTaken
from tests.contracts.sales import changed, loaded, new_session, owed, settled, store_now, stored

SECOND = timedelta(seconds=1)
README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def id_of(moment: datetime) -> SessionId:
    """An id as it would have been drawn at that moment."""
    milliseconds = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
    return SessionId(UUID(int=milliseconds << 80 | uuid7().int & (1 << 80) - 1))


async def sold_at(store: PostgresSessions, moment: datetime) -> Session:
    """A sale of that moment, booked at once."""
    sale = msgspec.structs.replace(owed(begun_at=moment, next_attempt_at=moment), id=id_of(moment))
    return await changed(store, await stored(store, sale), lambda it: settled(it, moment), Cause.HOST_ACCEPTED)


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def archive(connections: Connections) -> PostgresSessionArchive:
    return PostgresSessionArchive(connections)


async def _partitions(operator: psycopg.AsyncConnection) -> dict[str, int]:
    """Every partition there is, and its rows."""
    names = await operator.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'"
    )
    found = {}
    for (name,) in await names.fetchall():
        (rows,) = await (await operator.execute(f"SELECT count(*) FROM {name}".encode())).fetchone() or (-1,)  # noqa: S608 - from the catalogue
        found[name] = rows
    return found


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive by contract
def test_an_id_lies_within_its_month(moment: datetime) -> None:
    """Whenever an id was drawn, its month is that of the moment in UTC, and the month's bounds enclose it."""
    drawn = id_of(moment)
    month = month_of(drawn)
    assert date(moment.year, moment.month, 1) == month
    assert first_id(month) <= drawn < first_id(month_after(month))


def test_months_join_without_a_gap() -> None:
    """The last millisecond of December and the first of January are neighbours in different months."""
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    assert date(2026, 12, 1) == month_of(id_of(midnight - timedelta(milliseconds=1)))
    assert date(2027, 1, 1) == month_of(id_of(midnight)) == month_after(date(2026, 12, 1))


async def test_a_sale_lies_in_the_month_it_was_opened_in(
    store: PostgresSessions, archive: PostgresSessionArchive, operator: psycopg.AsyncConnection, database_url: str
) -> None:
    """Either side of midnight UTC, with timeline, whatever time zone the database keeps."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    await operator.execute(f"ALTER DATABASE \"{name}\" SET timezone TO 'Pacific/Auckland'".encode())
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    sales = [await sold_at(store, midnight - SECOND), await sold_at(store, midnight), await sold_at(store, midnight)]
    assert 3 == (await archive.move(await store_now(store), 10)).sessions
    january, february = date(2026, 1, 1), date(2026, 2, 1)
    rows = {"sessions_archive": 1, "session_events_archive": 2, "returns_archive": 0}
    expected = {partition(table, january): count for table, count in rows.items()}
    expected |= {partition(table, february): 2 * count for table, count in rows.items()}
    assert expected == await _partitions(operator)
    assert sales == [(await loaded(store, sale)).session for sale in sales]


async def test_whoever_comes_first_makes_the_month(
    store: PostgresSessions, archive: PostgresSessionArchive, operator: psycopg.AsyncConnection
) -> None:
    """Eight movers that all find four months missing move everything once, and make each month once."""
    for number in range(16):
        await sold_at(store, datetime(2026, 1 + number % 4, 7, tzinfo=UTC))
    before = await store_now(store)
    moved = await asyncio.gather(*(archive.move(before, 16) for _ in range(8)))
    rest = await archive.move(before, 16)
    assert 16 == sum(batch.sessions for batch in moved) + rest.sessions
    made = await _partitions(operator)
    assert {partition(table, date(2026, month, 1)) for table in ARCHIVES for month in range(1, 5)} == set(made)
    assert 16 == sum(made[partition("sessions_archive", date(2026, month, 1))] for month in range(1, 5))


async def test_reads_and_writes_go_on_while_a_month_is_made(
    store: PostgresSessions, archive: PostgresSessionArchive, operator: psycopg.AsyncConnection
) -> None:
    """A transaction that has read the archive, and is still open, does not hold up a new month."""
    await sold_at(store, datetime(2026, 1, 7, tzinfo=UTC))
    await archive.move(await store_now(store), 10)
    async with operator.transaction():
        await operator.execute("SELECT count(*) FROM session_rows")
        await sold_at(store, datetime(2026, 2, 7, tzinfo=UTC))
        assert 1 == (await archive.move(await store_now(store), 10)).sessions


async def _as_the_readme_says(operator: psycopg.AsyncConnection, word: str) -> None:
    """Do what stands there for January 2026, statement by statement."""
    (block,) = (block for block in re.findall(r"```sql\n(.*?)```", README, re.DOTALL) if f" {word} PARTITION" in block)
    for statement in filter(str.strip, block.split(";")):
        await operator.execute(statement.encode())


async def test_a_month_taken_out_keeps_its_keys_refused(
    store: PostgresSessions, archive: PostgresSessionArchive, operator: psycopg.AsyncConnection
) -> None:
    """Detached as the README says, its sessions are not found and their keys are gone for good; attached, all is back.

    A session of that month which is archived late stays live meanwhile, and is counted.
    """
    moment = datetime(2026, 1, 7, tzinfo=UTC)
    sale = await sold_at(store, moment)
    await archive.move(await store_now(store), 10)
    await _as_the_readme_says(operator, "DETACH")
    assert await store.find(sale.id) is None
    probe = await store.find_by_key(sale.channel, sale.transaction)
    assert (None, True) == (probe.holder, probe.gone)
    with pytest.raises(KeyTaken):
        await stored(store, new_session(transaction=sale.transaction))
    late, other = await sold_at(store, moment), await sold_at(store, datetime(2026, 3, 1, tzinfo=UTC))
    moved = await archive.move(await store_now(store), 10)
    assert (2, 1, 1) == (moved.seen, moved.sessions, moved.held_back)
    assert [False, True] == [(await loaded(store, session)).archived for session in (late, other)]
    await _as_the_readme_says(operator, "ATTACH")
    assert 1 == (await archive.move(await store_now(store), 10)).sessions
    for session in (sale, late):
        found = await loaded(store, session)
        assert (session, True) == (found.session, found.archived)


async def test_the_archive_has_every_column(operator: psycopg.AsyncConnection) -> None:
    """What a live table has, its archive has, in the same order; only what is computed from the rest is left out."""
    for table in ("sessions", "session_events", "returns"):
        columns = (
            "SELECT array_agg(attname::text || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum)"
            " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " AND attname <> 'archived_at'"
        )
        (live,) = await (await operator.execute(columns, (table,))).fetchone() or (None,)
        (kept,) = await (await operator.execute(columns, (f"{table}_archive",))).fetchone() or (None,)
        assert live == kept
