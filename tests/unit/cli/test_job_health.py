"""What an operator is told of a job's health."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest

from loyalty_core.ports.job_ledger import JobName, JobRun, JobStanding, RunStatus
from loyalty_web.cli.job_views import JobHealth, JobView, described
from loyalty_web.schedules import schedule_of

JOB: Final = JobName.EXPIRE_SESSIONS
TEN: Final = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
RUNNING: Final = JobRun(
    job=JOB, tick=TEN, scheduled=True, ticks=1, status=RunStatus.RUNNING, runner="one", attempts=1, started_at=TEN,
    free_at=TEN + MINUTE,
)  # fmt: skip
DONE: Final = msgspec.structs.replace(RUNNING, status=RunStatus.DONE, free_at=None, finished_at=TEN)
FAILED: Final = msgspec.structs.replace(DONE, status=RunStatus.FAILED, error="overloaded: busy", failures=5)
WAITING: Final = msgspec.structs.replace(RUNNING, status=RunStatus.WAITING)


def seen(at: datetime, *, expression: str = "*/15 * * * *", due: JobRun | None = None, **standing: Any) -> JobView:
    return JobView(JOB, expression, schedule_of(expression), JobStanding(now=at, **standing), due)


@pytest.mark.parametrize(
    ("view", "health"),
    [
        pytest.param(seen(TEN, last_tick=TEN, ended=DONE), JobHealth.OK, id="done"),
        pytest.param(seen(TEN + 15.5 * MINUTE, last_tick=TEN, ended=DONE), JobHealth.OK, id="due this minute"),
        pytest.param(seen(TEN + 16 * MINUTE, last_tick=TEN, ended=DONE), JobHealth.OVERDUE, id="due for a minute"),
        pytest.param(
            seen(TEN + 17 * MINUTE, last_tick=TEN, ended=DONE, due=DONE), JobHealth.OK, id="due and run by hand"
        ),
        pytest.param(seen(TEN), JobHealth.OVERDUE, id="never run"),
        pytest.param(seen(TEN, last_tick=TEN, open=RUNNING, ended=FAILED), JobHealth.RUNNING, id="running"),
        pytest.param(seen(TEN + 90 * MINUTE, last_tick=TEN, open=RUNNING), JobHealth.OVERDUE, id="died long ago"),
        pytest.param(seen(TEN + 1.5 * MINUTE, last_tick=TEN, open=RUNNING), JobHealth.OK, id="died just now"),
        pytest.param(seen(TEN, last_tick=TEN, open=WAITING), JobHealth.OK, id="put back"),
        pytest.param(
            seen(TEN, last_tick=TEN, open=msgspec.structs.replace(WAITING, error="x")), JobHealth.FAILING, id="put off"
        ),
        pytest.param(seen(TEN, last_tick=TEN, ended=FAILED), JobHealth.FAILING, id="failed"),
        pytest.param(seen(TEN, expression="off", ended=DONE), JobHealth.OFF, id="off"),
        pytest.param(seen(TEN, expression="off", ended=FAILED), JobHealth.FAILING, id="off and failed"),
        pytest.param(seen(TEN, expression="off"), JobHealth.OFF, id="off and never run"),
    ],
)
def test_health(view: JobView, health: JobHealth) -> None:
    """Running while a runner holds it, failing after an error, overdue where nobody has taken up what is due."""
    assert health is view.health


def test_a_program_reads_the_same() -> None:
    """Times in UTC with their offset; what is open goes before what has ended; no schedule, no next tick."""
    view = described(seen(TEN + MINUTE, last_tick=TEN, ended=DONE))
    assert ("expire-sessions", "*/15 * * * *", "ok", "2026-11-23T10:15:00+00:00", "2026-11-23T10:00:00+00:00") == (
        view["job"], view["schedule"], view["health"], view["nextTick"], view["lastTick"]
    )  # fmt: skip
    assert ("done", 0.0, None) == (view["lastRun"]["status"], view["lastRun"]["seconds"], view["lastRun"]["freeAt"])
    off = described(seen(TEN, expression="off", open=RUNNING, ended=DONE))
    assert (None, None, None, "running") == (
        off["schedule"], off["nextTick"], off["lastRun"]["seconds"], off["lastRun"]["status"]
    )  # fmt: skip
