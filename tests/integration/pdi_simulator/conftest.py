"""One simulator process for the package, emptied before each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi


@pytest.fixture(scope="package")
async def running_pdi(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pdi]:
    """A simulator that lives as long as the package's tests."""
    async with Pdi(tmp_path_factory.mktemp("pdi")) as pdi:
        yield pdi


@pytest.fixture
async def pdi(running_pdi: Pdi) -> Pdi:
    """The simulator with empty books and no faults."""
    await running_pdi.reset()
    return running_pdi


@pytest.fixture
async def caller(pdi: Pdi) -> AsyncIterator[Caller]:
    """A client of it with a good token."""
    async with Caller(pdi) as calling:
        yield calling
