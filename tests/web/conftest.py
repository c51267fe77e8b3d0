from collections.abc import AsyncIterator

import pytest

from tests.pdi import Pdi
from tests.servers import Databases, RedisCorner
from tests.web.service import Service, running_service, settings


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
