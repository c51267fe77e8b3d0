"""The real application on a loopback port, with a real database, cache and PDI simulator behind it."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_type_hints

import aiohttp
import uvicorn
from litestar.types import ASGIApp
from typing_extensions import override

from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, Scope
from loyalty_web.api_keys import NewKey, new_key
from loyalty_web.app import create_app
from loyalty_web.container import Container
from loyalty_web.host_settings import BudgetSettings, HostSettings
from loyalty_web.http_protocol import ServiceConfig
from loyalty_web.protection_settings import LimitSettings
from loyalty_web.service_settings import Environment, KeySettings, ServiceSettings
from loyalty_web.settings import Settings
from loyalty_web.storage_settings import CacheSettings, DatabaseSettings
from loyalty_web.variables import Section
from loyalty_web.web_settings import WebSettings
from tests.pdi import Pdi

PEPPER: Final = "a pepper of thirty-two characters"
GOLD: Final = "CUST-12345"


class Reply(NamedTuple):
    """What came back: the bytes as sent, and what they say."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, floats and all; what a POS written in any language would read."""
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """The status and the problem's code."""
        return self.status, self.json["code"]


class Service:
    """A running service, and a till that calls it."""

    def __init__(self, url: str, container: Container, client: aiohttp.ClientSession, key: str) -> None:
        self.url = url
        self.container = container
        self.key = key
        self.client = client

    async def new_key(
        self, client: str, *channels: str, scopes: tuple[Scope, ...] = (Scope.POS,), expires_at: datetime | None = None
    ) -> NewKey:
        """A key of its own."""
        made = new_key()
        key = ApiKey(
            id=made.id,
            digest=self.container.peppers().digest(made.text),
            client=ClientId(client),
            channels=channels,
            scopes=frozenset(scopes),
            created_at=datetime.now(UTC),
            expires_at=expires_at,
        )
        await self.container.api_keys().add(key)
        return made

    async def post(
        self, path: str, body: Any = None, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """POST `body`: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self._authorization(key), **(headers or {})}
        async with self.client.post(self.url + path, data=content, headers=sent) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """GET `path`."""
        sent = {**self._authorization(key), **(headers or {})}
        async with self.client.get(self.url + path, headers=sent) as response:
            return Reply(response.status, response.headers, await response.read())

    async def identify(self, transaction: str = "TXN-67890", customer: str = GOLD, channel: str = "POS-001") -> Reply:
        """The first call of a sale."""
        return await self.post(
            "/identify", {"customerId": customer, "channelId": channel, "transactionId": transaction}
        )

    async def status(self, session_id: str) -> Any:
        """The session as it stands."""
        return (await self.get(f"/getSessionStatus?sessionId={session_id}")).json

    async def standing(self, session_id: str) -> tuple[str, int]:
        """The session's status and version."""
        status = await self.status(session_id)
        return status["status"], status["version"]

    def _authorization(self, key: str | None) -> dict[str, str]:
        key = self.key if key is None else key
        return {"Authorization": f"Bearer {key}"} if key else {}


def settings(database_url: str, redis_url: str, pdi: Pdi, **sections: Section) -> Settings:
    """Settings of a service under test: those given, those below, and otherwise what an operator gets unasked."""
    ours: dict[str, Section] = {
        "service": ServiceSettings(environment=Environment.TEST),
        "web": WebSettings(body_seconds=0.5, header_seconds=0.5, idle_seconds=5),
        "database": DatabaseSettings(url=database_url),
        "cache": CacheSettings(url=redis_url),
        "host": HostSettings(url=pdi.url, client_id=pdi.client_id, client_secret=pdi.client_secret),
        "budgets": BudgetSettings(identify=1.0, calculate=1.0, finalize=1.0, give_back=1.0, status=0.5),
        "keys": KeySettings(pepper=PEPPER),
        "limits": LimitSettings(failed_burst=100_000),
    }
    chosen = ours | sections
    sections_of: dict[str, Any] = {name: chosen.get(name) or kind() for name, kind in get_type_hints(Settings).items()}
    return Settings(**sections_of)


class _Server(uvicorn.Server):
    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The address of `app`, served as the service serves it, for as long as the block runs."""
    config = ServiceConfig(
        app,
        header_seconds=0.5,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not (server.started or task.done()):  # noqa: ASYNC110 - uvicorn has no event to wait for
                await asyncio.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def running_service(settings: Settings, key: str | None = None) -> AsyncIterator[Service]:
    """A service of its own, called with `key`; without one, with a new key for the channels ``POS-*``."""
    container = Container(settings=settings)
    connector = aiohttp.TCPConnector(limit=0)
    async with listening(create_app(container)) as url, aiohttp.ClientSession(connector=connector) as client:
        service = Service(url, container, client, key or "")
        if key is None:
            service.key = (await service.new_key("demo", "POS-*")).text
        yield service
