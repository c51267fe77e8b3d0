"""The worker runs the jobs beside its deliveries, as the real command and by the real schedules."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.ports.job_ledger import JobName, JobRun, RunStatus
from loyalty_web.container import Container
from loyalty_web.job_settings import JobSettings
from loyalty_web.worker import work_until
from tests.integration.jobs.sessions import count, expired_sessions
from tests.integration.postgres.observing import eventually
from tests.pdi import Pdi
from tests.web.service import settings

JOB: Final = JobName.EXPIRE_SESSIONS
_PATIENCE: Final = 60.0
_OFF: Final = {f"JOB_{job}_CRON": "off" for job in ("ARCHIVE_FINALIZED", "CLEAR_CACHE", "RECONCILE")}


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    async with Connections(PostgresSettings(url=database_url, acquire_timeout=10.0)) as opened:
        yield opened


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def ledger(connections: Connections) -> PostgresJobLedger:
    return PostgresJobLedger(connections)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A worker's, whose jobs look about at once."""
    return environment | {"JOB_JITTER_SECONDS": "0"}


@asynccontextmanager
async def working(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`loyalty worker`, killed in the end where the test has not ended it."""
    arguments = [sys.executable, "-m", "loyalty_web.cli", "worker"]
    process = await asyncio.create_subprocess_exec(*arguments, env=environment, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: asyncio.subprocess.Process) -> int:
    """The exit code of a worker that is told to end."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), _PATIENCE)


async def test_jobs_run_by_their_schedules(
    environment: dict[str, str], store: PostgresSessions, operator: psycopg.AsyncConnection, ledger: PostgresJobLedger
) -> None:
    """A new worker runs each job's latest tick, and from then on each as it comes; those that are off never."""
    await expired_sessions(operator, store, 20)
    schedules = {"JOB_EXPIRE_SESSIONS_CRON": "* * * * * *", "JOB_RECONCILE_CRON": "off"}

    async def have_run() -> bool:
        expiries = await count(operator, "SELECT count(*) FROM job_runs WHERE job = 'expire-sessions'")
        return expiries >= 3 and await count(operator, "SELECT count(DISTINCT job) FROM job_runs") == 3

    async with working(environment | schedules) as worker:
        await eventually(have_run, within=_PATIENCE)
        assert 0 == await ended(worker)
    assert 0 == await count(operator, "SELECT count(*) FROM sessions WHERE open_until < now()")
    assert 0 == await count(operator, "SELECT count(*) FROM job_runs WHERE job = 'reconcile'")
    assert 20 == await count(operator, "SELECT sum((counts ->> 'expired')::int) FROM job_runs")
    traced = "SELECT count(*) FROM session_events WHERE cause = 'expired' AND length(trace_id) = 32"
    assert 20 == await count(operator, traced)
    last = (await ledger.standing(JOB)).ended
    assert last is not None
    assert (RunStatus.DONE, True, str(worker.pid)) == (last.status, last.scheduled, last.runner.rpartition(":")[2])


async def test_a_worker_that_is_told_to_end_hands_its_run_on(
    environment: dict[str, str], store: PostgresSessions, operator: psycopg.AsyncConnection, ledger: PostgresJobLedger
) -> None:
    """In the middle of a long run it ends in time, with nothing lost of the count; the next worker does the rest."""
    await expired_sessions(operator, store, 5_000)
    slowly = environment | _OFF | {"JOB_EXPIRE_SESSIONS_BATCH": "1"}

    async def open_run() -> JobRun | None:
        return (await ledger.standing(JOB)).open

    async def is_in_the_middle() -> bool:
        run = await open_run()
        return run is not None and run.counts.get("expired", 0) > 10

    async with working(slowly) as worker:
        await eventually(is_in_the_middle, within=_PATIENCE)
        assert 0 == await ended(worker)
    left = await open_run()
    assert left is not None
    assert (RunStatus.WAITING, 0, None) == (left.status, left.failures, left.error)
    done_so_far = await count(operator, "SELECT count(*) FROM session_events WHERE cause = 'expired'")
    assert done_so_far == left.counts["expired"]

    async def is_done() -> bool:
        run = await ledger.find(JOB, left.tick)
        return run is not None and run.finished_at is not None

    async with working(environment | _OFF):
        await eventually(is_done, within=_PATIENCE)
    done = await ledger.find(JOB, left.tick)
    assert done is not None
    assert (RunStatus.DONE, 2, {"expired": 5_000}) == (done.status, done.attempts, done.counts)


@pytest.mark.parametrize("in_worker", [True, False])
async def test_a_worker_may_have_no_jobs(database_url: str, redis_url: str, pdi: Pdi, *, in_worker: bool) -> None:
    """`WORKER_JOBS=false` leaves it its deliveries alone; a schedule that is off has no keeper."""
    jobs = JobSettings(in_worker=in_worker, archive_cron="off")
    container, asked = Container(settings=settings(database_url, redis_url, pdi, jobs=jobs)), asyncio.Event()
    working = asyncio.create_task(work_until(asked, container))

    async def delivers() -> bool:
        return "deliveries" in _tasks() and ("jobs" in _tasks()) is in_worker

    await eventually(delivers, within=_PATIENCE)
    keepers = {name for name in _tasks() if name.startswith("keeper of ")}
    kept = {f"keeper of {job.value}" for job in JobName if job is not JobName.ARCHIVE_FINALIZED}
    assert (kept if in_worker else set()) == keepers
    asked.set()
    await asyncio.wait_for(working, _PATIENCE)
    assert {"deliveries", "jobs", *kept}.isdisjoint(_tasks())


def _tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


async def test_a_job_that_cannot_be_looked_after_ends_no_worker(
    environment: dict[str, str], store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """With the ledger gone, then back: the worker goes on all the while, and the job is run in the end."""
    await expired_sessions(operator, store, 5)
    await operator.execute("ALTER TABLE job_runs RENAME TO gone")
    async with working(environment | {"JOB_EXPIRE_SESSIONS_CRON": "* * * * * *"}) as worker:
        errors = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        before = await count(operator, errors)

        async def has_failed() -> bool:
            return await count(operator, errors) > before

        await eventually(has_failed, within=_PATIENCE)
        await operator.execute("ALTER TABLE gone RENAME TO job_runs")

        async def is_done() -> bool:
            return await count(operator, "SELECT count(*) FROM job_runs WHERE status = 'done'") > 0

        await eventually(is_done, within=_PATIENCE)
        assert 0 == await ended(worker)
