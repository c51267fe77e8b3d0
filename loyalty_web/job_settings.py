"""What an operator can set of the jobs: when each is run, in what portions, and how runs are held and tried again."""

from datetime import timedelta
from typing import Annotated, Final

from loyalty_core.ports.job_ledger import JobName
from loyalty_core.use_cases.run_job import RunPolicy
from loyalty_web.schedules import CronSchedule, mistake_in, schedule_of
from loyalty_web.variables import Section, Variable


class JobSettings(Section, frozen=True, kw_only=True):
    """The jobs. Schedules are in UTC."""

    in_worker: Annotated[
        bool, Variable(name="WORKER_JOBS", meaning="Whether this worker runs jobs beside its deliveries")
    ] = True
    expire_cron: Annotated[
        str,
        Variable(
            name="JOB_EXPIRE_SESSIONS_CRON",
            judge=mistake_in,
            meaning="When `expire-sessions` is run, in UTC; `off`: never, as for the other jobs",
        ),
    ] = "*/15 * * * *"
    archive_cron: Annotated[
        str,
        Variable(name="JOB_ARCHIVE_FINALIZED_CRON", judge=mistake_in, meaning="When `archive-finalized` is run"),
    ] = "0 2 * * *"
    clear_cron: Annotated[
        str, Variable(name="JOB_CLEAR_CACHE_CRON", judge=mistake_in, meaning="When `clear-cache` is run")
    ] = "0 * * * *"
    reconcile_cron: Annotated[
        str, Variable(name="JOB_RECONCILE_CRON", judge=mistake_in, meaning="When `reconcile` is run")
    ] = "0 1 * * *"
    expire_batch: Annotated[
        int,
        Variable(
            name="JOB_EXPIRE_SESSIONS_BATCH",
            least=1,
            most=10_000,
            meaning="Sessions that one batch of it takes; a call waits no longer than for one batch",
        ),
    ] = 250
    archive_batch: Annotated[
        int, Variable(name="JOB_ARCHIVE_FINALIZED_BATCH", least=1, most=10_000, meaning="Sessions in a batch of it")
    ] = 500
    archive_after_days: Annotated[
        int,
        Variable(
            name="ARCHIVE_AFTER_DAYS",
            least=1,
            most=3650,
            meaning="How long a session that has ended, and owes nothing, stays among the live ones",
        ),
    ] = 30
    clear_batch: Annotated[
        int, Variable(name="JOB_CLEAR_CACHE_BATCH", least=1, most=10_000, meaning="Answers in a batch of it")
    ] = 1000
    reconcile_batch: Annotated[
        int,
        Variable(name="JOB_RECONCILE_BATCH", least=1, most=256, meaning="Sessions in a batch of it, each asked of PDI"),
    ] = 100
    lease: Annotated[
        float,
        Variable(
            name="JOB_LEASE_SECONDS",
            least=0.1,
            most=3600,
            meaning="After so long without a sign of life another worker goes on with a run",
        ),
    ] = 30.0
    attempts: Annotated[
        int,
        Variable(name="JOB_ATTEMPTS", least=1, most=1000, meaning="Attempts that may fail before a run is given up"),
    ] = 8
    first_pause: Annotated[
        float,
        Variable(
            name="JOB_RETRY_SECONDS", least=0.01, most=3600, meaning="First pause between them; doubles, to 10 minutes"
        ),
    ] = 15.0
    jitter: Annotated[
        float,
        Variable(
            name="JOB_JITTER_SECONDS", least=0, most=600, meaning="Up to so much later each worker looks for due jobs"
        ),
    ] = 2.0

    def schedule(self, job: JobName) -> CronSchedule | None:
        """When a job is run; None where no schedule runs it."""
        return schedule_of(self.expression(job))

    def expression(self, job: JobName) -> str:
        """The same, as it was set."""
        expression: str = getattr(self, f"{_FIELDS[job]}_cron")
        return expression

    def batch(self, job: JobName) -> int:
        """The size of a job's batches."""
        size: int = getattr(self, f"{_FIELDS[job]}_batch")
        return size

    def policy(self) -> RunPolicy:
        """How runs are held and tried again."""
        return RunPolicy(
            lease=timedelta(seconds=self.lease),
            attempts=self.attempts,
            first_pause=timedelta(seconds=self.first_pause),
            longest_pause=_LONGEST_PAUSE,
        )


_FIELDS: Final = {
    JobName.EXPIRE_SESSIONS: "expire",
    JobName.ARCHIVE_FINALIZED: "archive",
    JobName.CLEAR_CACHE: "clear",
    JobName.RECONCILE: "reconcile",
}
_LONGEST_PAUSE: Final = timedelta(minutes=10)
