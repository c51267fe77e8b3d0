"""The whole service as processes: PostgreSQL, Valkey, the PDI simulator, web replicas and workers, each killable."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, LiteralString, Self

import aiohttp
import psycopg
from redis.asyncio import Redis

from loyalty_adapters.embedded import EmbeddedServers
from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.migrations import migrate
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, Scope
from loyalty_web.api_keys import Peppers, new_key
from tests.faults.books import owed, read_sessions
from tests.faults.ledger_check import Observation, Verdict, check
from tests.faults.programs import ServiceProcess
from tests.faults.till import CHANNEL, Till
from tests.faults.times import TIMES
from tests.pdi import Pdi
from tests.servers import postgres_major

PEPPER: Final = "a pepper of thirty-two characters"
_CLEAR: Final[LiteralString] = "TRUNCATE sessions, session_events, idempotency_answers, returns, customer_snapshots"
_READY: Final = 30.0
_POLL: Final = 0.02
_NOT_INHERITED: Final = ("LOYALTY_", "PDI_", "DATABASE_", "REDIS_", "QUEUE_", "OTEL_", "NODE_ENV", "PORT", "WEB_")


class Stack:
    """Servers, simulator, replicas and workers of one test. Async context manager; enter it on the main thread.

    The servers are always embedded ones of its own: they are going to be killed, and nobody else's may be.
    """

    def __init__(
        self,
        home: Path,
        *,
        replicas: int = 1,
        workers: int = 1,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`durable` keeps fsync on everywhere, as production does; `settings` go before everything else."""
        self.servers = EmbeddedServers(
            home / "servers", postgres_major=postgres_major(), fsync=durable, persistent_cache=durable
        )
        self.pdi = Pdi(home / "pdi", options=() if durable else ("--no-fsync",))
        self.replicas: list[ServiceProcess] = []
        self.workers: list[ServiceProcess] = []
        self.urls: list[str] = []
        self.key = ""
        self._home = home
        self._counts = (replicas, workers)
        self._settings = dict(settings or {})

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    # -- what a test asks of it

    @property
    def database_url(self) -> str:
        """Where the sessions are."""
        return self.servers.addresses.database_url

    @property
    def programs(self) -> list[ServiceProcess]:
        """Replicas and workers."""
        return [*self.replicas, *self.workers]

    def till(self, *, patience: float = 30.0) -> Till:
        """A POS that knows all replicas."""
        return Till(self.urls, self.key, patience=patience)

    async def all_answer(self) -> None:
        """Return once every replica answers."""
        for url, replica in zip(self.urls, self.replicas, strict=True):
            await answers(replica, url)

    @asynccontextmanager
    async def replica_with(self, **settings: str) -> AsyncIterator[Till]:
        """A POS whose only replica is one more, with settings of its own: for what shows under tight limits alone."""
        (port,) = _free_ports(1)
        program = ServiceProcess(
            "web-tight", "serve", self._environment(PORT=str(port), **settings), self._home / "logs"
        )
        program.start()
        try:
            await answers(program, f"http://127.0.0.1:{port}")
            async with Till([f"http://127.0.0.1:{port}"], self.key, patience=30.0) as till:
                yield till
        finally:
            await program.stop()

    async def clear(self) -> None:
        """No sales anywhere, PDI well and honest; customers, keys and processes stay. Nothing may be under way."""
        await self.pdi.reset()
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            await connection.execute(_CLEAR)
        async with Redis.from_url(self.servers.addresses.redis_url) as cache:
            await cache.flushdb()

    async def drained(self, seconds: float) -> float:
        """Wait until nothing is owed and PDI has nothing left to do; how many seconds it took.

        Fails with the rest of the queue where it does not get there within `seconds`.
        """
        began = time.monotonic()

        async def empty() -> bool:
            return await owed(self.database_url) == 0 and await self.pdi.faults_at_work() == 0

        await until(empty, "the queue has drained", seconds, also=self._remains)
        return time.monotonic() - began

    async def check(self, observations: Iterable[Observation], transactions: list[str] | None = None) -> Verdict:
        """The ledger check over everything, or over some sales alone."""
        entries = await self.pdi.ledger()
        if transactions is not None:
            entries = [entry for entry in entries if entry["transactionId"] in transactions]
        return check(observations, entries, await read_sessions(self.database_url, transactions))

    async def _remains(self) -> str:
        rows = [row for row in await read_sessions(self.database_url) if row.status == "finalizing"]
        return f"{len(rows)} finalizing, e.g. {rows[:2]}"

    # -- its life

    async def _start(self) -> None:
        self.servers.start()
        await asyncio.gather(self.pdi.start(), migrate(self.database_url))
        self.key = await self._make_key()
        replicas, workers = self._counts
        logs = self._home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        ports = _free_ports(replicas)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.replicas = [
            ServiceProcess(f"web-{number}", "serve", self._environment(PORT=str(port)), logs)
            for number, port in enumerate(ports)
        ]
        self.workers = [
            ServiceProcess(f"worker-{number}", "worker", self._environment(), logs) for number in range(workers)
        ]
        for program in self.programs:
            program.start()
        await self.all_answer()

    async def _stop(self) -> None:
        """Ask the workers last: what a replica leaves behind is theirs."""
        try:
            for program in self.programs:
                await program.stop()
        finally:
            for program in self.programs:
                await program.kill() if program.running else None
            await self.pdi.stop()
            self.servers.stop()

    async def _make_key(self) -> str:
        made = new_key()
        key = ApiKey(
            id=made.id,
            digest=Peppers(PEPPER, None).digest(made.text),
            client=ClientId("faults"),
            channels=(CHANNEL,),
            scopes=frozenset({Scope.POS}),
            created_at=datetime.now(UTC),
        )
        settings = PostgresSettings(url=self.database_url, intake_connections=1, outcome_connections=1)
        async with Connections(settings) as connections:
            await PostgresApiKeys(connections).add(key)
        return made.text

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return {
            **kept,
            "APP_ENV": "test",
            "HOST": "127.0.0.1",
            "DATABASE_URL": self.servers.addresses.database_url,
            "REDIS_URL": self.servers.addresses.redis_url,
            "PDI_API_URL": self.pdi.url,
            "PDI_CLIENT_ID": self.pdi.client_id,
            "PDI_CLIENT_SECRET": self.pdi.client_secret,
            "API_KEY_PEPPER": PEPPER,
            "PYTHONUNBUFFERED": "1",
            "SHUTDOWN_SECONDS": "5",
            **TIMES.environment(),
            **self._settings,
            **more,
        }


async def answers(program: ServiceProcess, url: str) -> None:
    """Return once a replica answers."""
    timeout = aiohttp.ClientTimeout(total=1)

    async def ready() -> bool:
        assert program.running, f"{program.name} has ended: {program.last_words()}"
        try:
            async with aiohttp.ClientSession(timeout=timeout) as client, client.get(f"{url}/health") as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    await until(ready, f"{program.name} answers", _READY)


async def until(
    holds: Callable[[], Awaitable[bool]],
    what: str,
    seconds: float,
    *,
    also: Callable[[], Awaitable[Any]] | None = None,
) -> None:
    """Look again and again until it holds; fail with what was waited for, and what `also` says, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            more = "" if also is None else f": {await also()}"
            raise AssertionError(f"not within {seconds:g} s: {what}{more}")
        await asyncio.sleep(_POLL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()
