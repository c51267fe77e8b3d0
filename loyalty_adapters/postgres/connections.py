"""Connections to PostgreSQL: two pools, and every wait on them bounded."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, LiteralString, Self, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from loyalty_adapters.postgres.adaptation import adapters
from loyalty_adapters.postgres.direct import DirectConnection, Row
from loyalty_adapters.postgres.errors import ConnectionLost, translated
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_adapters.postgres.waiting_line import WaitingLine
from loyalty_core.domain.errors import Overloaded, StorageUnavailable
from loyalty_core.ports.unit_of_work import Lane

__all__ = ["ConnectionLane", "Connections", "Row", "StatementSeam"]

StatementSeam: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Given a statement's text (never its values), what to have around it while it runs."""

_CONFIGURE: Final[LiteralString] = """
SELECT set_config('default_transaction_isolation', 'serializable', false),
       set_config('timezone', 'UTC', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('jit', 'off', false),
       set_config('enable_seqscan', %s, false),
       set_config('lock_timeout', %s, false),
       set_config('statement_timeout', %s, false),
       set_config('idle_in_transaction_session_timeout', %s, false)
"""
_SILENCE: Final = 1.0  # seconds that a server may be late with its own timeout before it counts as gone
_RECONNECT: Final = 2.0  # seconds; short, so that a database that is back is found by the next call that wants it
_LIFETIME: Final = 3600.0


class ConnectionLane:
    """One pool. A call waits a bounded time for a connection, and a bounded time on it."""

    def __init__(
        self,
        name: str,
        size: int,
        settings: PostgresSettings,
        around: StatementSeam = lambda _: nullcontext(),
        *,
        scans: bool = True,
    ) -> None:
        """`scans`: whether a statement may read a whole table where the planner takes that for the shortest way."""
        self.around = around
        self._scans = "on" if scans else "off"
        self._size = size
        self._settings = settings
        self._in_use = 0
        self._line = WaitingLine(settings.waiting, self._put_to_rest)
        self._asking = 0  # the pool
        self._is_closing = False
        self._resting: list[DirectConnection] = []
        self._dying: list[DirectConnection] = []
        self._deadline = settings.statement_timeout + _SILENCE
        self._pool = AsyncConnectionPool(
            settings.url,
            connection_class=DirectConnection,
            open=False,
            name=name,
            min_size=size,
            max_size=size,
            timeout=settings.acquire_timeout,
            max_waiting=settings.waiting,
            max_lifetime=_LIFETIME,
            reconnect_timeout=_RECONNECT,
            configure=self._configure,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "context": adapters(),
                "application_name": f"loyalty-{name}",
                "connect_timeout": settings.connect_timeout,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
            },
        )

    async def open(self) -> None:
        """Begin to connect. Returns at once: a service without its database starts, and says so when asked."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        self._is_closing = True
        while self._resting:
            await self._pool.putconn(self._resting.pop())
        await self._bury()
        await self._pool.close()

    def stats(self) -> dict[str, int]:
        """The pool's counters, and how many connections are at work."""
        pool = self._pool.get_stats()
        return {
            **pool,
            "pool_available": pool.get("pool_available", 0) + len(self._resting),
            "requests_waiting": pool.get("requests_waiting", 0) + len(self._line),
            "connections_in_use": self._in_use,
        }

    async def run(self, statement: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of one statement in a transaction of its own, prepared; none where it returns nothing.

        Raises:
            Overloaded, StorageUnavailable, StorageRefused, KeyTaken, Conflict, AlreadyThere: nothing was done.
            ConnectionLost: it may have been done.
        """
        with self.around(statement):
            connection = self._rested() or await self._next()
            guard = self._begin(connection)
            try:
                return await connection.fetch(statement, parameters)
            except psycopg.Error as error:
                raise await _meaning(error, connection) from None
            finally:
                await self._end(connection, guard)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[DirectConnection]:
        """A connection for as long as the block runs, cut where that takes longer than any statement may.

        Driver errors leave the block translated; what each means is said at `run`.
        """
        connection = self._rested() or await self._next()
        guard = self._begin(connection)
        try:
            yield connection
        except psycopg.Error as error:
            raise await _meaning(error, connection) from None
        finally:
            await self._end(connection, guard)

    # -- connections, borrowed from the pool for as long as they are good

    def _rested(self) -> DirectConnection | None:
        """The connection that was given back last. The pool's own lending costs as much as a statement."""
        while self._resting:
            connection = self._resting.pop()
            if connection.is_quiet():
                self._in_use += 1
                return connection
            self._dying.append(connection)
        return None

    async def _next(self) -> DirectConnection:
        """The next that is given back, where all are at work; else one from the pool, as soon as it has one."""
        deadline = asyncio.get_running_loop().time() + self._settings.acquire_timeout
        if self._in_use >= self._size:
            connection = await self._line.wait(deadline)
            if connection is not None:  # from hand to hand: it has been at work all the time
                return connection
        connection = await self._pooled(deadline)
        self._in_use += 1
        return connection

    async def _pooled(self, deadline: float) -> DirectConnection:
        self._asking += 1  # first of all: from now on what is given back goes where this call waits for it
        try:
            await self._bury()
            while True:
                connection = await self._pool.getconn(deadline - asyncio.get_running_loop().time())
                if connection.is_quiet():
                    return connection
                await connection.close()
                await self._pool.putconn(connection)
        except (PoolTimeout, TooManyRequests):
            # With connections at work to spare, nobody holds up the caller but the database itself.
            raise (Overloaded() if self._in_use >= self._size else StorageUnavailable()) from None
        finally:
            self._asking -= 1

    def _begin(self, connection: DirectConnection) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._deadline, _cut, connection)

    async def _end(self, connection: DirectConnection, guard: asyncio.TimerHandle) -> None:
        guard.cancel()
        if self._is_closing or connection.closed or connection.is_old(_LIFETIME):
            self._in_use -= 1
            self._line.dissolve()
            await self._pool.putconn(connection)  # one that is of no use any more is replaced
        elif self._asking:
            self._in_use -= 1
            await self._pool.putconn(connection)
        elif not self._line.give(connection):
            self._put_to_rest(connection)
        if self._dying:
            await self._bury()

    def _put_to_rest(self, connection: DirectConnection) -> None:
        self._in_use -= 1
        self._resting.append(connection)

    async def _bury(self) -> None:
        """Let the pool replace what has died at rest."""
        while self._dying:
            connection = self._dying.pop()
            await connection.close()
            await self._pool.putconn(connection)

    async def _configure(self, connection: AsyncConnection) -> None:
        settings = self._settings
        await connection.execute(
            _CONFIGURE,
            [
                self._scans,
                *(
                    f"{int(seconds * 1000)}ms"
                    for seconds in (settings.lock_timeout, settings.statement_timeout, self._deadline)
                ),
            ],
            prepare=False,
        )


class Connections:
    """Both lanes of one process, opened and closed together."""

    def __init__(self, settings: PostgresSettings, around: StatementSeam = lambda _: nullcontext()) -> None:
        self.settings = settings
        self.intake = ConnectionLane(Lane.INTAKE.value, settings.intake_connections, settings, around)
        # Outcomes are written at the addresses of their rows. A young table is short enough to be read instead, but to
        # a serializable transaction that is a read of every row, and it would conflict with every writer.
        self.outcome = ConnectionLane(Lane.OUTCOME.value, settings.outcome_connections, settings, around, scans=False)

    def lane(self, lane: Lane) -> ConnectionLane:
        """The connections that `lane` may use."""
        return self.intake if lane is Lane.INTAKE else self.outcome

    async def open(self) -> None:
        """Begin to connect."""
        await self.intake.open()
        await self.outcome.open()

    async def close(self) -> None:
        """Close every connection."""
        await self.intake.close()
        await self.outcome.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _meaning(error: psycopg.Error, connection: DirectConnection) -> Exception:
    meaning = translated(error, connection)
    if isinstance(meaning, ConnectionLost):
        await connection.close()
    return meaning


def _cut(connection: AsyncConnection) -> None:
    """Shut the connection's socket: the driver reads its end, and reports the loss in its ordinary way."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)
