"""What a command needs to run a job by hand, open for as long as it takes."""

import getpass
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Final, NamedTuple

import msgspec
from typing_extensions import override

from loyalty_adapters.observability import LogForm, TraceContext, configure_logging
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.job_ledger import JobLedger, JobName, JobRun
from loyalty_core.ports.observer import NullObserver
from loyalty_core.use_cases.jobs import Job
from loyalty_core.use_cases.run_job import RunJob
from loyalty_web.container import Container, database_jobs, running
from loyalty_web.job_settings import JobSettings
from loyalty_web.settings import Settings, read_section, read_settings
from loyalty_web.storage_settings import DatabaseSettings

_PATIENCE: Final = 60.0
"""Seconds for a count over a long table: nobody waits for it but whoever asked."""


class JobBench(NamedTuple):
    """A job, and what runs it."""

    job: Job
    ledger: JobLedger
    run: RunJob


@asynccontextmanager
async def job_bench(name: JobName, settings: JobSettings) -> AsyncIterator[JobBench]:
    """The job that is called so. Only a job that asks PDI needs more of the environment than the database.

    Raises:
        SettingsError: something is missing in the environment, or wrong.
    """
    if name is not JobName.RECONCILE:
        async with _database_bench(name, settings) as bench:
            yield bench
        return
    container = Container(settings=_without_an_audience(read_settings()))
    configure_logging(LogForm(level="warn", readable=sys.stderr.isatty()), container.traces(), sys.stderr)
    async with running(container):
        yield JobBench(container.jobs()[name], container.job_ledger(), container.run_job())


@asynccontextmanager
async def _database_bench(name: JobName, settings: JobSettings) -> AsyncIterator[JobBench]:
    database = PostgresSettings(
        url=read_section(DatabaseSettings).url,
        intake_connections=2,  # one for the batch, one for the signs of life beside it
        outcome_connections=1,
        acquire_timeout=5.0,
        statement_timeout=_PATIENCE,
    )
    observer = _OnATrace()
    async with Connections(database) as connections:
        ledger = PostgresJobLedger(connections)
        run = RunJob(ledger, SystemClock(), observer, settings.policy())
        yield JobBench(database_jobs(connections, observer, settings)[name], ledger, run)


def runner_by_hand() -> str:
    """Who runs a job by hand, as others read it in the ledger."""
    return f"{getpass.getuser()} at {socket.gethostname()}:{os.getpid()}"


class _OnATrace(NullObserver):
    """Gives what a run changes one trace id. What became of it the command itself says."""

    def __init__(self) -> None:
        self._traces = TraceContext()

    @override
    def running(self, run: JobRun) -> AbstractContextManager[object]:
        return self._traces.root(f"job {run.job.value}")

    @override
    def trace_id(self) -> str | None:
        work = self._traces.current()
        return None if work is None else work.trace_id


def _without_an_audience(settings: Settings) -> Settings:
    """Without metrics on a port of their own, which the service itself may be using."""
    return msgspec.structs.replace(settings, watch=msgspec.structs.replace(settings.watch, metrics_port=0))
