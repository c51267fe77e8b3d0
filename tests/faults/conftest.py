"""The stacks that the fault suites share, and the rule that no test leaves one ill."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.stack import Stack


@pytest.fixture(scope="session")
async def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two replicas and two workers, started once; nothing in it is killed but the simulator."""
    async with Stack(tmp_path_factory.mktemp("faults"), replicas=2, workers=2) as stack:
        yield stack


@pytest.fixture
async def stack(shared_stack: Stack) -> AsyncIterator[Stack]:
    """The shared stack with PDI well, no sales and nothing owed."""
    await shared_stack.clear()
    yield shared_stack
    for program in shared_stack.programs:
        program.resume()
    await shared_stack.pdi.put_faults([])
    await shared_stack.drained(60)
