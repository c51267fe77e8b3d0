"""The short way of one prepared statement through a connection: the driver's own libpq calls, without its cursors.

A cursor is made for everything that SQL clients do. What the service does ten thousand times a second is one thing:
one statement in a transaction of its own, its parameters adapted, its few rows read; by this way it costs a third.
Adaptation, errors, prepared types and everything else about the connection stay the driver's.
"""

import asyncio
import re
import select
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, LiteralString, NamedTuple, TypeAlias

import psycopg
from psycopg import AsyncConnection, errors, pq
from psycopg.abc import Buffer
from psycopg.abc import Transformer as TransformerProtocol
from psycopg.adapt import PyFormat, Transformer

Row: TypeAlias = tuple[Any, ...]

_PLACE: Final = re.compile(r"%\((\w+)\)s|%%")
_GOOD: Final = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})


class Text(NamedTuple):
    """A statement as the server reads it."""

    sql: bytes
    names: tuple[str, ...]
    """Of its parameters, in the order of their numbers."""
    formats: tuple[PyFormat, ...]
    """The driver's own choice for each."""


@lru_cache(maxsize=256)
def text_of(statement: LiteralString) -> Text:
    """`statement`, with ``$1`` for the first ``%(name)s`` there is, and again wherever that name is. Made once."""
    numbers: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    sql = _PLACE.sub(place, statement).encode()
    return Text(sql, tuple(numbers), (PyFormat.AUTO,) * len(numbers))


class DirectConnection(AsyncConnection[Row]):
    """psycopg's connection, and `fetch`."""

    _direct_transformer: TransformerProtocol | None = None
    _direct_count = 0
    _poll: "select.poll | None" = None
    _direct_names: dict[tuple[LiteralString, tuple[int, ...] | None], bytes]

    def __init__(self, pgconn: pq.abc.PGconn, **arguments: Any) -> None:
        super().__init__(pgconn, **arguments)
        self._made_at = time.monotonic()

    def is_old(self, seconds: float) -> bool:
        """Whether it was made longer ago than `seconds`."""
        return time.monotonic() - self._made_at > seconds

    def is_quiet(self) -> bool:
        """Whether there is nothing to read, on a connection at rest: what a server says unasked is mostly good-bye.

        Costs a system call and no round trip, so it is asked at every checkout: after a restart of the database no call
        meets one of the connections that died with it.
        """
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.fileno(), select.POLLIN)
        return not self._poll.poll(0)

    async def fetch(self, statement: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of one statement in a transaction of its own, prepared; none where it returns nothing.

        Not to be used within a transaction, or while anything else is done on the connection. Whoever is cancelled here
        leaves it closed: what was sent may still be done.

        Raises:
            psycopg.Error: as a cursor does.
        """
        text = text_of(statement)
        transformer = self._direct_transformer
        if transformer is None:
            transformer = self._direct_transformer = Transformer(self)
            self._direct_names = {}
        values = transformer.dump_sequence([parameters[name] for name in text.names], text.formats)
        try:
            result = await self._answer(statement, text, values, transformer)
        except BaseException as error:
            if not isinstance(error, psycopg.Error) or self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                # Somewhere between request and answer: whoever used it next would read what is left of this.
                self.pgconn.finish()
            raise
        transformer.set_pgresult(result, format=pq.Format.BINARY)
        return transformer.load_rows(0, result.ntuples, tuple) if result.nfields else []

    async def _answer(
        self,
        statement: LiteralString,
        text: Text,
        values: Sequence[Buffer | None],
        transformer: TransformerProtocol,
    ) -> pq.abc.PGresult:
        key = statement, transformer.types
        name = self._direct_names.get(key)
        if name is not None:
            try:
                self.pgconn.send_query_prepared(name, values, transformer.formats, pq.Format.BINARY)
                return await self._result()
            except errors.InvalidSqlStatementName:
                # The driver deallocates what is prepared when a transaction is rolled back. Nothing was done.
                self._direct_names.clear()
        self._direct_count += 1
        name = b"direct_%d" % self._direct_count
        self.pgconn.send_prepare(name, text.sql, transformer.types)
        await self._result()
        self._direct_names[key] = name
        self.pgconn.send_query_prepared(name, values, transformer.formats, pq.Format.BINARY)
        return await self._result()

    async def _result(self) -> pq.abc.PGresult:
        """The one result of what was sent, when the server has said that it is ready for more."""
        pgconn = self.pgconn
        while pgconn.flush():
            await self._until(writable=True)
        last: pq.abc.PGresult | None = None
        while True:
            while pgconn.is_busy():
                await self._until(writable=False)
            result = pgconn.get_result()
            if result is None:
                break
            last = result
        if last is None:
            raise psycopg.OperationalError("the server gave no result")
        if last.status not in _GOOD:
            raise errors.error_from_result(last)
        return last

    async def _until(self, *, writable: bool) -> None:
        """Wait until the socket can be written, or until something was read from it."""
        loop = asyncio.get_running_loop()
        pgconn = self.pgconn
        ready: asyncio.Future[None] = loop.create_future()
        socket = pgconn.socket

        def is_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(socket, is_ready)
        if writable:
            loop.add_writer(socket, is_ready)
        try:
            await ready
        finally:
            loop.remove_reader(socket)
            if writable:
                loop.remove_writer(socket)
        pgconn.consume_input()
