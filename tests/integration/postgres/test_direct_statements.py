"""The short way through a connection does what a cursor does, and leaves nothing behind to be read by the next."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
import pytest

from loyalty_adapters.postgres.direct import DirectConnection, text_of

_EVERY_KIND: Final[LiteralString] = """
SELECT %(text)s::text, %(number)s::int8, %(at)s::timestamptz, %(id)s::uuid, %(flag)s::bool, %(document)s::json,
       %(bytes)s::bytea, %(names)s::text[], %(text)s::text || '%%'
"""
_VALUES: Final[dict[str, Any]] = {
    "text": "Zoë's",
    "number": 2**40,
    "at": datetime(2026, 3, 16, 14, 30, 45, 123456, tzinfo=UTC),
    "id": UUID(int=7),
    "flag": True,
    "document": '{"a": [1]}',
    "bytes": b"\x00\xff",
    "names": ["a", "b,c"],
}


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[DirectConnection]:
    connection = await DirectConnection.connect(database_url, autocommit=True)
    await connection.execute("SET timezone = 'UTC'")
    yield connection
    await connection.close()


async def _by_cursor(connection: DirectConnection, statement: LiteralString, values: dict[str, Any]) -> list[Any]:
    return await (await connection.execute(statement, values, binary=True)).fetchall()


async def test_values_come_and_go_as_through_a_cursor(direct: DirectConnection) -> None:
    """Every kind of parameter and column that statements have, and NULL in place of each of them."""
    for values in (_VALUES, dict.fromkeys(_VALUES), {**_VALUES, "number": 1, "text": ""}):
        assert await _by_cursor(direct, _EVERY_KIND, values) == await direct.fetch(_EVERY_KIND, values)


def test_a_name_that_occurs_twice_is_one_parameter() -> None:
    """Parameters are numbered in the order of their first places; a doubled percent sign is one."""
    text = text_of("SELECT %(b)s, %(a)s, %(b)s, '%%'")
    assert (b"SELECT $1, $2, $1, '%'", ("b", "a")) == (text.sql, text.names)


async def test_a_statement_that_returns_nothing_has_no_rows(direct: DirectConnection) -> None:
    """Neither has one that found none."""
    assert [] == await direct.fetch("SET work_mem = '4MB'", {})
    assert [] == await direct.fetch("SELECT 1 WHERE false", {})


async def test_a_statement_is_prepared_once(direct: DirectConnection) -> None:
    """However often it runs; the server keeps one of it."""
    for number in range(5):
        assert [(number,)] == await direct.fetch("SELECT %(number)s::int8", {"number": number})
    count = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'direct%%' AND statement LIKE 'SELECT $1%%'"
    assert [(1,)] == await direct.fetch(count, {})


async def test_what_a_rollback_has_deallocated_is_prepared_anew(direct: DirectConnection) -> None:
    """The driver deallocates everything when a transaction is rolled back; the statement runs all the same, once."""
    await direct.execute("CREATE TEMPORARY TABLE kept (number int8)")
    insert: Final[LiteralString] = "INSERT INTO kept VALUES (%(number)s::int8)"
    await direct.fetch(insert, {"number": 1})
    await direct.execute("DEALLOCATE ALL")
    await direct.fetch(insert, {"number": 2})
    assert [(1,), (2,)] == await direct.fetch("SELECT number FROM kept ORDER BY number", {})


async def test_an_error_leaves_the_connection_usable(direct: DirectConnection) -> None:
    """It is the driver's own error; neither a refused statement nor one that cannot be prepared is in the way later."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        await direct.fetch("SELECT 1 / %(number)s::int8", {"number": 0})
    with pytest.raises(psycopg.errors.UndefinedTable):
        await direct.fetch("SELECT FROM nowhere", {})
    assert [(2,)] == await direct.fetch("SELECT 2 / %(number)s::int8", {"number": 1})
    assert not direct.closed


async def test_more_than_a_socket_takes_at_once_is_sent(direct: DirectConnection) -> None:
    """Eight megabytes go out in pieces, and come back."""
    large = "x" * (8 << 20)
    ((back,),) = await direct.fetch("SELECT %(text)s::text", {"text": large})
    assert large == back


async def test_whoever_is_cancelled_leaves_nothing_to_read(direct: DirectConnection) -> None:
    """What is left of the exchange goes with the connection."""
    waiting = asyncio.create_task(direct.fetch("SELECT pg_sleep(30)", {}))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert direct.closed


async def test_a_server_that_goes_is_an_error_of_the_driver(direct: DirectConnection, database_url: str) -> None:
    """The backend is terminated under its statement."""
    pid = direct.info.backend_pid
    waiting = asyncio.create_task(direct.fetch("SELECT pg_sleep(30)", {}))
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await asyncio.sleep(0)
        await operator.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises(psycopg.OperationalError):
        await waiting
    assert direct.closed
