"""Everything that is measured, as processes of its own: servers, PDI simulator, collector, the service, and its floors.

The service runs as in production: fsync on, its own defaults for logs, metrics, traces, limits and times. The floors
have a database of their own on the same server, and the same simulator.
"""

import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import psycopg
from psycopg import conninfo

from loyalty_adapters.embedded import EmbeddedServers
from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.migrations import migrate
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, Scope
from loyalty_web.api_keys import Peppers, new_key
from tests.benchmarks.captured import Captured
from tests.benchmarks.programs import Program, tree
from tests.faults.books import owed, read_sessions
from tests.faults.ledger_check import Observation, Verdict, check
from tests.faults.stack import until
from tests.pdi import Pdi

HOST: Final = "127.0.0.1"
CHANNEL: Final = "POS-001"
CLIENT: Final = "benchmark"
POSTGRES: Final = 16
WEB_WORKERS: Final = 2
FLOORS: Final = ("http", "call")
FLOOR_DATABASE: Final = "floor"
_SETTLING: Final = 60.0
_PEPPER: Final = "a pepper of thirty-two characters"
_NOT_INHERITED: Final = ("LOYALTY_", "PDI_", "DATABASE_", "REDIS_", "QUEUE_", "OTEL_", "NODE_ENV", "PORT", "WEB_")


class Address(msgspec.Struct, frozen=True):
    """Where a program listens, and the key it takes."""

    port: int
    key: str = ""


class Stack:
    """All of it. Async context manager; enter it on the main thread."""

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """`settings` go before everything else the service is told."""
        self.servers = EmbeddedServers(home / "servers", postgres_major=POSTGRES, fsync=True)
        self.pdi = Pdi(home / "pdi")
        self.home = home
        self.logs = home / "logs"
        self.subject = Address(0)
        self.floors: dict[str, Address] = {}
        self.programs: dict[str, Program] = {}
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

    @property
    def database_url(self) -> str:
        """The service's own database."""
        return self.servers.addresses.database_url

    @property
    def floor_database_url(self) -> str:
        """The floors' database: the same schema, empty at first."""
        return conninfo.make_conninfo(self.database_url, dbname=FLOOR_DATABASE)

    @property
    def web_log(self) -> Path:
        """What the web processes have logged."""
        return self.programs["web"].log

    @property
    def postgres_log(self) -> Path:
        """What the database server has logged."""
        return self.servers.postgres.process.log

    def others(self) -> dict[str, list[int]]:
        """The processes beside the web's: by role, their ids."""
        return {
            "postgres": tree(self.servers.postgres.process.pid),
            "valkey": tree(self.servers.valkey.process.pid),
            "pdi": tree(self.pdi.pid),
        }

    async def start_web(self) -> None:
        """Start the service's web processes."""
        web = self._program("web", "loyalty_web.cli", "serve", PORT=str(self.subject.port))
        web.start()
        await web.answering(HOST, self.subject.port)

    async def start_floors(self, captured: Captured) -> None:
        """Start the floors on what one sale was seen to send to its database."""
        told = self.home / "captured.json"
        told.write_bytes(msgspec.json.encode(captured))
        for name in FLOORS:
            (port,) = free_ports(1)
            self.floors[name] = Address(port)
            floor = self._program(
                f"{name}-floor",
                "tests.benchmarks.floors",
                name,
                str(port),
                DATABASE_URL=self.floor_database_url,
                FLOOR_STATEMENTS=str(told),
            )
            floor.start()
            await floor.answering(HOST, port)

    async def settled(self) -> None:
        """Start a worker, and return when nothing is owed to PDI any more.

        Raises:
            AssertionError: something still is after a minute.
        """
        if "worker" not in self.programs:
            self._program("worker", "loyalty_web.cli", "worker").start()

        async def nothing_owed() -> bool:
            return await owed(self.database_url) == 0 and await self.pdi.faults_at_work() == 0

        await until(nothing_owed, "nothing is owed", _SETTLING, also=lambda: owed(self.database_url))

    async def verdict(self, observations: list[Observation], prefix: str) -> Verdict:
        """The ledger check over every sale whose transaction begins with `prefix`.

        Raises:
            LedgerDisagreement: with what was lost, doubled, or otherwise than answered.
        """
        booked = [entry for entry in await self.pdi.ledger() if entry["transactionId"].startswith(prefix)]
        named = {entry["transactionId"] for entry in booked} | {heard.sale.transaction for heard in observations}
        return check(observations, booked, await read_sessions(self.database_url, sorted(named)))

    async def make_key(self, client: str, channel: str) -> str:
        """A key of `client` for one channel."""
        made = new_key()
        key = ApiKey(
            id=made.id,
            digest=Peppers(_PEPPER, None).digest(made.text),
            client=ClientId(client),
            channels=(channel,),
            scopes=frozenset({Scope.POS}),
            created_at=datetime.now(UTC),
        )
        settings = PostgresSettings(url=self.database_url, intake_connections=1, outcome_connections=1)
        async with Connections(settings) as connections:
            await PostgresApiKeys(connections).add(key)
        return made.text

    # -- its life

    async def _start(self) -> None:
        self.logs.mkdir(parents=True)
        self.servers.start()
        await self.pdi.start()
        await migrate(self.database_url)
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            await connection.execute("CREATE DATABASE floor TEMPLATE loyalty")
        subject, collector = free_ports(2)
        self.subject = Address(subject, await self.make_key(CLIENT, CHANNEL))
        self._collector = collector
        sink = self._program("collector", "tests.benchmarks.collector", str(collector))
        sink.start()
        await sink.answering(HOST, collector)
        await self.start_web()

    async def _stop(self) -> None:
        try:
            for program in reversed(self.programs.values()):
                await program.stop()
        finally:
            await self.pdi.stop()
            self.servers.stop()

    def _program(self, name: str, module: str, *arguments: str, **more: str) -> Program:
        command = (sys.executable, "-m", module, *arguments)
        self.programs[name] = Program(name, command, self._environment(**more), self.logs)
        return self.programs[name]

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return {
            **kept,
            "APP_ENV": "test",  # production but for https to PDI
            "HOST": HOST,
            "WEB_WORKERS": str(WEB_WORKERS),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.servers.addresses.redis_url,
            "PDI_API_URL": self.pdi.url,
            "PDI_CLIENT_ID": self.pdi.client_id,
            "PDI_CLIENT_SECRET": self.pdi.client_secret,
            "API_KEY_PEPPER": _PEPPER,
            # One client makes all calls here, and is not to be turned away; its limit costs what any other does.
            "RATE_LIMIT_CLIENTS": f"{CLIENT}=100000/100000",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self._collector}",
            **self._settings,
            **more,
        }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind((HOST, 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()
