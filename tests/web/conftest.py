import os
import socket
from collections.abc import AsyncIterator

import pytest

from loyalty_web.settings import variables
from tests.pdi import Pdi
from tests.servers import Databases, RedisCorner
from tests.web.service import PEPPER, Service, running_service, settings


@pytest.fixture(scope="session")
async def shared(
    databases: Databases, migrated_template: str, redis_corner: RedisCorner, pdi_process: Pdi
) -> AsyncIterator[Service]:
    """One service for all tests that leave nothing behind which another could meet."""
    with databases.fresh(migrated_template) as url:
        async with running_service(settings(url, redis_corner.url, pdi_process)) as running:
            yield running


@pytest.fixture
async def service(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Service]:
    """A service with empty books."""
    async with running_service(settings(database_url, redis_url, pdi)) as running:
        yield running


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def bare() -> dict[str, str]:
    """The environment without anything of ours."""
    ours = {row.name for row in variables()} | {"NODE_ENV"}
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}


@pytest.fixture
def environment(bare: dict[str, str], database_url: str, redis_url: str, pdi: Pdi, port: int) -> dict[str, str]:
    """Everything the service needs."""
    return bare | {
        "APP_ENV": "test",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PDI_API_URL": pdi.url,
        "PDI_CLIENT_ID": pdi.client_id,
        "PDI_CLIENT_SECRET": pdi.client_secret,
        "API_KEY_PEPPER": PEPPER,
        "QUEUE_BACKOFF_CAP_SECONDS": "0.1",
        "QUEUE_PROBE_SECONDS": "0.05",
    }
