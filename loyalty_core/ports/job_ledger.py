"""The book of the jobs: one row for each tick of each job, made by whoever takes the tick up first."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from loyalty_core.domain.errors import LoyaltyError


class JobName(StrEnum):
    """The jobs, by the names operators know."""

    EXPIRE_SESSIONS = "expire-sessions"
    ARCHIVE_FINALIZED = "archive-finalized"
    CLEAR_CACHE = "clear-cache"
    RECONCILE = "reconcile"


class RunStatus(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    """A runner holds it; one that has died holds it until its lease ends."""
    WAITING = "waiting"
    """Nobody holds it: it was given back, or an error ended the attempt and the pause before the next one is on."""
    DONE = "done"
    FAILED = "failed"
    """It was given up after an error; the next tick is a run of its own."""


class JobRun(msgspec.Struct, frozen=True, kw_only=True):
    """One tick of one job, however many runners it took."""

    job: JobName
    tick: datetime
    """The moment of the schedule that this run is for, or the one that an operator named."""
    scheduled: bool
    """Whether the schedule asked for it; else somebody did by hand."""
    ticks: int
    """How many ticks of the schedule it stands for: its own, and those that were missed before it."""
    status: RunStatus
    runner: str
    """Who holds it, or held it last."""
    attempts: int
    """How often it was taken up. Only the runner of the latest attempt may write to it."""
    failures: int = 0
    """How many of the attempts ended with an error."""
    started_at: datetime
    free_at: datetime | None
    """When others may take it up: the end of the lease, or of the pause after an error. None once it has ended."""
    finished_at: datetime | None = None
    counts: dict[str, int] = {}
    """What its batches came to, all attempts together."""
    error: str | None = None
    """What ended the latest attempt that failed; never personal data."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What a new run is to be for."""

    job: JobName
    at: datetime
    scheduled: bool = True
    ticks: int = 1


class JobStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand with a job."""

    now: datetime
    """The ledger's clock at the look: the one by which ticks come due and leases end."""
    last_tick: datetime | None = None
    """The latest tick of the schedule that has a run."""
    open: JobRun | None = None
    """The run that has not ended. There is never more than one."""
    ended: JobRun | None = None
    """The run that ended last."""


class RunLost(LoyaltyError):
    """Another runner has taken the run up since: the lease had ended. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("another runner has taken this run up")


class JobLedger(Protocol):
    """Who runs which tick, and what came of it.

    A tick of a job has one run, and a job has one run that has not ended: both are held by the ledger, whoever asks
    at the same time. Rows of runs that ended long ago (90 days) are dropped as later ones end. Every method may raise
    `StorageUnavailable` and `Overloaded`; what was asked for may then have been done, and a run that was taken up
    unnoticed is free again when its lease ends.
    """

    async def standing(self, job: JobName) -> JobStanding:
        """How things stand with the job."""
        ...

    async def begin(self, tick: Tick, runner: str, lease: timedelta) -> JobRun | None:
        """A new run, held by `runner` for as long as the lease.

        None where the tick has a run already, or the job has one that has not ended, or, of the schedule's ticks, a
        later one has had its run.
        """
        ...

    async def take_over(self, run: JobRun, runner: str, lease: timedelta) -> JobRun | None:
        """The run, held by `runner` from now on; None where it is not free, has ended, or was taken up meanwhile."""
        ...

    async def renew(self, run: JobRun, lease: timedelta) -> None:
        """Hold the run for as long as the lease from now on, and note its counts.

        Raises:
            RunLost: see there.
        """
        ...

    async def put_back(self, run: JobRun, pause: timedelta) -> None:
        """Let go of the run, for anybody to take up after the pause; its counts, failures and error are noted.

        Raises:
            RunLost: see there.
        """
        ...

    async def finish(self, run: JobRun, status: RunStatus) -> JobRun:
        """The run as it ended, `done` or `failed`, with its counts, failures and error.

        Raises:
            RunLost: see there.
        """
        ...

    async def find(self, job: JobName, tick: datetime) -> JobRun | None:
        """The tick's run, if it has had one."""
        ...
