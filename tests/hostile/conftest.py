from collections.abc import AsyncIterator

import pytest

from tests.faults.stack import Stack
from tests.hostile.target import SETTINGS, Target, put_under_attack


@pytest.fixture(scope="session")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """The service, once per test process; attacks leave nothing behind, so that they can share it."""
    home = tmp_path_factory.mktemp("hostile")
    async with Stack(home, replicas=1, workers=0, settings=SETTINGS) as stack:
        yield await put_under_attack(stack)
