"""The service under attack: real processes, two clients with keys, and what can be seen of it from behind."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import psycopg
from psycopg import sql

from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, Scope
from loyalty_web.api_keys import Peppers, new_key
from tests.faults.stack import PEPPER, Stack

CHANNEL: Final = "HOSTILE-1"
TRANSACTION: Final = "T-CANCELLED"
SETTINGS: Final = {"RATE_LIMIT_PER_SECOND": "0", "RATE_LIMIT_FAILED_PER_SECOND": "0", "REQUEST_BODY_SECONDS": "0.5"}
"""What stops floods is off, so that every attack is judged for what it is."""
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_QUIET_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Target:
    """A running service with one session that nothing can be done with any more: a cancelled one."""

    stack: Stack
    key: str
    """May use every channel, and has every scope."""
    session: str

    @property
    def url(self) -> str:
        return self.stack.urls[0]

    @property
    def resident_bytes(self) -> int:
        return self.stack.replicas[0].resident_bytes()

    def log(self) -> bytes:
        """All that the web process has written, as it has written it."""
        return self.stack.replicas[0].log.read_bytes()

    def rows(self) -> dict[str, int]:
        """How many rows each table holds."""
        with psycopg.connect(self.stack.database_url) as connection:
            names = [name for (name,) in connection.execute(_TABLES)]
            return {name: _count(connection, name) for name in names}


async def put_under_attack(stack: Stack) -> Target:
    """`stack` with a key of its own for the attacker, and the session that all attacks name."""
    key = await add_key(stack, "faults", "*")
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(stack.urls[0], headers=headers) as client:
        opening = {"customerId": "CUST-12345", "channelId": CHANNEL, "transactionId": TRANSACTION}
        session = str((await _post(client, "/identify", opening))["sessionId"])
        await _post(client, "/cancel", {"sessionId": session})
    return Target(stack, key, session)


async def add_key(stack: Stack, client: str, *channels: str) -> str:
    """A new key, kept as the command line keeps one."""
    made = new_key()
    key = ApiKey(
        id=made.id,
        digest=Peppers(PEPPER).digest(made.text),
        client=ClientId(client),
        channels=channels,
        scopes=frozenset(Scope),
        created_at=datetime.now(UTC),
    )
    settings = PostgresSettings(url=stack.database_url, intake_connections=1, outcome_connections=1)
    async with Connections(settings) as connections:
        await PostgresApiKeys(connections).add(key)
    return made.text


async def settled(target: Target) -> bytes:
    """The log, once nothing has been added to it for a moment."""
    deadline = time.monotonic() + 10
    before = target.log()
    while time.monotonic() < deadline:
        await asyncio.sleep(_QUIET_SECONDS)
        if (now := target.log()) == before:
            break
        before = now
    return before


def lines_of(log: bytes) -> Iterator[dict[str, Any]]:
    """Every line as the object that it is. A line that something has broken in two is none, and fails here."""
    for line in log.split(b"\n")[:-1]:
        yield json.loads(line)


def _count(connection: psycopg.Connection[tuple[Any, ...]], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


async def _post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status < 300, answer
        return answer
