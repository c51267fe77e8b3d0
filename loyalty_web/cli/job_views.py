"""The jobs as an operator reads them: as JSON for programs, as a table for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from loyalty_core.ports.job_ledger import JobName, JobRun, JobStanding, RunStatus
from loyalty_core.ports.schedule import Schedule

_GRACE: Final = timedelta(minutes=1)
"""How late a tick may be taken up before somebody should look: workers look every 15 seconds."""


class JobHealth(StrEnum):
    """Whether somebody has to look after a job."""

    OK = "ok"
    RUNNING = "running"
    FAILING = "failing"
    """The last attempt ended with an error."""
    OVERDUE = "overdue"
    """It should have been run, and no worker has taken it up."""
    OFF = "off"
    """No schedule runs it."""


class JobView(NamedTuple):
    """What there is to know of a job."""

    name: JobName
    expression: str
    schedule: Schedule | None
    standing: JobStanding
    due: JobRun | None
    """The run of the latest tick there should have been, by whomever."""

    @property
    def last(self) -> JobRun | None:
        """The run that is open, or else the one that ended last."""
        return self.standing.open or self.standing.ended

    @property
    def next(self) -> datetime | None:
        """When it is due again."""
        return None if self.schedule is None else self.schedule.next(self.standing.now)

    @property
    def health(self) -> JobHealth:
        """Whether somebody has to look after it."""
        run, now = self.standing.open, self.standing.now
        if run is not None and run.free_at is not None:
            if run.status is RunStatus.RUNNING and run.free_at > now:
                return JobHealth.RUNNING
            if run.status is RunStatus.WAITING and run.error is not None:
                return JobHealth.FAILING
            if now - run.free_at > _GRACE:
                return JobHealth.OVERDUE
        elif self.standing.ended is not None and self.standing.ended.status is RunStatus.FAILED:
            return JobHealth.FAILING
        if self.schedule is None:
            return JobHealth.OFF
        return JobHealth.OVERDUE if self._is_late(self.schedule) else JobHealth.OK

    def _is_late(self, schedule: Schedule) -> bool:
        tick = schedule.last(self.standing.now - _GRACE)
        if tick is None or self.standing.open is not None or self.due is not None:
            return False
        return self.standing.last_tick is None or self.standing.last_tick < tick


def described(view: JobView) -> dict[str, Any]:
    """The job for programs."""
    return {
        "job": view.name.value,
        "schedule": None if view.schedule is None else view.expression,
        "health": view.health.value,
        "nextTick": _iso(view.next),
        "lastTick": _iso(view.standing.last_tick),
        "lastRun": None if view.last is None else described_run(view.last),
    }


def described_run(run: JobRun) -> dict[str, Any]:
    """A run for programs."""
    return {
        "tick": _iso(run.tick),
        "scheduled": run.scheduled,
        "ticks": run.ticks,
        "status": run.status.value,
        "runner": run.runner,
        "attempts": run.attempts,
        "failures": run.failures,
        "startedAt": _iso(run.started_at),
        "finishedAt": _iso(run.finished_at),
        "seconds": None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds(),
        "freeAt": _iso(run.free_at),
        "counts": run.counts,
        "error": run.error,
    }


def print_jobs(views: Sequence[JobView]) -> None:
    """One line for each job, and below them what failed, in full."""
    # Fits eighty columns: what is long goes on in the next line.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("job", "schedule", "last (UTC)", "result", "did", "next (UTC)", "health"):
        long = heading in {"result", "did"}
        table.add_column(heading, no_wrap=not long, min_width=7 if long else None, overflow="fold")
    for view in views:
        run = view.last
        table.add_row(
            view.name.value,
            "off" if view.schedule is None else view.expression,
            "never" if run is None else _minute(run.started_at),
            "" if run is None else _result(run, view.standing.now),
            "" if run is None else _did(run),
            "" if view.next is None else _minute(view.next),
            view.health.value,
        )
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    for view in views:
        if view.last is not None and view.last.error is not None:
            console.print(f"{view.name.value}: {view.last.error}")


def told(counts: Mapping[str, int]) -> str:
    """What a run came to, in words."""
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count) or "nothing"


def _result(run: JobRun, now: datetime) -> str:
    if run.status is RunStatus.RUNNING:
        held = run.free_at is not None and run.free_at > now
        return f"running: {run.runner}" if held else f"left by {run.runner}"
    if run.status is RunStatus.WAITING:
        again = "" if run.free_at is None else f", again at {run.free_at.astimezone(UTC):%H:%M:%S}"
        return f"waiting{again}"
    return (
        run.status.value + ("" if run.scheduled else ", by hand") + ("" if run.ticks == 1 else f", {run.ticks} ticks")
    )


def _did(run: JobRun) -> str:
    done = told(run.counts)
    return done if run.finished_at is None else f"{done} in {_took(run.finished_at - run.started_at)}"


def _took(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _minute(at: datetime) -> str:
    """Jobs are run within the day: the year is nobody's question."""
    return f"{at.astimezone(UTC):%m-%d %H:%M}"
