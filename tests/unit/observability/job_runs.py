"""A run of a job that has just begun."""

from datetime import UTC, datetime
from typing import Final

from loyalty_core.ports.job_ledger import JobName, JobRun, RunStatus

TEN: Final = datetime(2026, 11, 23, 10, tzinfo=UTC)
RUN: Final = JobRun(
    job=JobName.EXPIRE_SESSIONS, tick=TEN, scheduled=True, ticks=1, status=RunStatus.RUNNING, runner="one", attempts=1,
    started_at=TEN, free_at=TEN,
)  # fmt: skip
