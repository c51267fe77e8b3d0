"""Real servers for every suite; see tests/servers.py for where they come from."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests import servers
from tests.pdi import Pdi


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to begin, rather than skip, where the servers asked for cannot be had."""
    try:
        if servers.wants_containers() and not config.option.collectonly:
            servers.require_engine()
    except servers.ServersUnavailableError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header() -> str:
    """The line that says what the suites run against."""
    return f"servers: {servers.description()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what this run has proven and what it has left out, which pytest-xdist would keep to itself."""
    terminalreporter.write_line(f"servers: {servers.description()}")
    selection = " and ".join(filter(None, (config.option.markexpr, config.option.keyword)))
    if selection:
        terminalreporter.write_line(f"not run: what is outside `{selection}` (see `make help`)")


@pytest.fixture(scope="session")
def running_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Servers]:
    """PostgreSQL and Redis, once per test process."""
    with servers.running_servers(tmp_path_factory.getbasetemp() / "servers") as running:
        yield running


@pytest.fixture(scope="session")
def databases(running_servers: servers.Servers) -> Iterator[servers.Databases]:
    """Makes databases on the PostgreSQL server."""
    made = servers.Databases(running_servers.database_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def redis_corner(running_servers: servers.Servers) -> Iterator[servers.RedisCorner]:
    """This test process's part of the Redis server."""
    corner = servers.RedisCorner(running_servers)
    yield corner
    corner.close()


@pytest.fixture(scope="session")
async def migrated_template(databases: servers.Databases) -> AsyncIterator[str]:
    """The name of a database with all migrations applied, to be cloned: ten milliseconds instead of all migrations."""
    from loyalty_adapters.postgres.migrations import migrate  # noqa: PLC0415 - suites without a database need no driver

    with databases.fresh() as url:
        await migrate(url)
        yield servers.database_name(url)


@pytest.fixture
def empty_database_url(databases: servers.Databases) -> Iterator[str]:
    """A database of this test's own with nothing in it."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def database_url(databases: servers.Databases, migrated_template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    with databases.fresh(migrated_template) as url:
        yield url


@pytest.fixture
def redis_url(redis_corner: servers.RedisCorner) -> str:
    """A Redis database of this test process's own, empty at the start of each test."""
    return redis_corner.empty()


@pytest.fixture(scope="session")
async def pdi_process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pdi]:
    """The PDI simulator as a process of its own, once per test process."""
    async with Pdi(tmp_path_factory.mktemp("pdi"), options=["--no-fsync"]) as pdi:
        yield pdi


@pytest.fixture
async def pdi(pdi_process: Pdi) -> Pdi:
    """The simulator with empty books and no faults. A test that kills or pauses it starts a `Pdi` of its own."""
    await pdi_process.reset()
    return pdi_process
