"""Settings: read once, everything wrong told at once, nothing of a value told at all."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from loyalty_core.ports.job_ledger import JobName
from loyalty_web.service_settings import Environment, LogLevel
from loyalty_web.settings import read_settings, variables
from loyalty_web.variables import SettingsError

README: Final = Path(__file__).parents[2] / "README.md"
REQUIRED: Final = {
    "DATABASE_URL": "postgresql://user:hidden-1@db/loyalty",
    "REDIS_URL": "redis://:hidden-2@cache:6379",
    "PDI_API_URL": "https://pdi.example",
    "PDI_CLIENT_ID": "hidden-3",
    "PDI_CLIENT_SECRET": "hidden-4",
    "API_KEY_PEPPER": "hidden-5, a pepper of 32 characters",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with what is required, and nothing else of ours."""
    for row in variables():
        monkeypatch.delenv(row.name, raising=False)
        monkeypatch.delenv(f"{row.name}_FILE", raising=False)
    monkeypatch.delenv("NODE_ENV", raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def mistakes() -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return caught.value.mistakes


def test_defaults() -> None:
    """With what is required, the rest is as published."""
    settings = read_settings()
    assert Environment.PRODUCTION is settings.service.environment
    assert 24.0 == settings.service.session_ttl_hours
    assert (3000, LogLevel.INFO) == (settings.web.port, settings.log.level)
    assert (5.0, 8.0, 10.0, 3.0) == (
        settings.budgets.identify,
        settings.budgets.calculate,
        settings.budgets.finalize,
        settings.budgets.status,
    )


def test_everything_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message names every variable."""
    for name in REQUIRED:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PORT", "99999")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("SESSION_TTL_HOURS", "nan")
    assert {*REQUIRED, "PORT", "LOG_LEVEL", "SESSION_TTL_HOURS"} == mistakes().keys()


@pytest.mark.parametrize("name", REQUIRED)
def test_empty_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is set to nothing is as good as not set."""
    monkeypatch.setenv(name, "")
    assert mistakes()[name].startswith("is required")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "hidden-x"),
        ("SESSION_TTL_HOURS", "-1"),
        ("LOG_LEVEL", "hidden-x"),
        ("DATABASE_URL", "hidden-x"),
        ("DATABASE_URL", "mysql://user:hidden-x@db/loyalty"),
        ("REDIS_URL", "http://[hidden-x"),
        ("PDI_API_URL", "http://user:hidden-x@pdi.example"),
        ("PDI_API_URL", "http://pdi.example/hidden-x"),
        ("PDI_TOKEN_URL", "http://pdi.example/hidden-x"),
        ("API_KEY_PEPPER", "hidden-x, short"),
        ("API_KEY_PEPPER_PREVIOUS", "hidden-x, short"),
        ("PDI_BREAKER_OPEN_CAP_SECONDS", "0.06"),
        ("DATABASE_URL_FILE", "/nowhere/hidden-x"),
        ("JOB_EXPIRE_SESSIONS_CRON", "hidden-x"),
        ("JOB_ARCHIVE_FINALIZED_CRON", "0 0 30 2 *"),
        ("JOB_RECONCILE_CRON", ""),
    ],
)
def test_values_are_never_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What is wrong is named; what it says is not, for it may be a password in the wrong place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert [name.removesuffix("_FILE")] == list(caught.value.mistakes)
    assert "hidden" not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    """Neither plain nor in a traceback with locals."""
    settings = read_settings()
    pretty = io.StringIO()
    Console(width=2000, file=pretty).print(settings)
    for shown in (repr(settings), str(settings), pretty.getvalue()):
        assert "hidden" not in shown
        assert "https://pdi.example" in shown


def test_pdi_without_tls_only_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points do not travel in the clear in production."""
    monkeypatch.setenv("PDI_API_URL", "http://127.0.0.1:4010")
    assert ["PDI_API_URL"] == list(mistakes())
    for environment in ("development", "test"):
        monkeypatch.setenv("APP_ENV", environment)
        assert "http://127.0.0.1:4010" == read_settings().host.url


def test_the_old_name_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NODE_ENV` is still read; `APP_ENV` goes before it."""
    monkeypatch.setenv("NODE_ENV", "development")
    assert Environment.DEVELOPMENT is read_settings().service.environment
    monkeypatch.setenv("APP_ENV", "test")
    assert Environment.TEST is read_settings().service.environment


def test_secrets_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`NAME_FILE` names a file; the newline that every editor leaves at its end is not part of the secret."""
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    monkeypatch.delenv("PDI_CLIENT_SECRET")
    monkeypatch.setenv("PDI_CLIENT_SECRET_FILE", str(secret))
    assert "from a file" == read_settings().host.client_secret


def test_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published unless told otherwise; `off`, in any case, means never; what is wrong is told with an example."""
    published = {job.value: read_settings().jobs.schedule(job) for job in JobName}
    now = datetime(2026, 11, 23, 10, 7, tzinfo=UTC)
    ticks = {name: schedule and schedule.next(now) for name, schedule in published.items()}
    assert {
        "expire-sessions": datetime(2026, 11, 23, 10, 15, tzinfo=UTC),
        "archive-finalized": datetime(2026, 11, 24, 2, tzinfo=UTC),
        "clear-cache": datetime(2026, 11, 23, 11, tzinfo=UTC),
        "reconcile": datetime(2026, 11, 24, 1, tzinfo=UTC),
    } == ticks
    monkeypatch.setenv("JOB_RECONCILE_CRON", "Off")
    monkeypatch.setenv("JOB_CLEAR_CACHE_CRON", "*/30 * * * * *")
    jobs = read_settings().jobs
    clear = jobs.schedule(JobName.CLEAR_CACHE)
    assert jobs.schedule(JobName.RECONCILE) is None
    assert clear is not None
    assert datetime(2026, 11, 23, 10, 7, 30, tzinfo=UTC) == clear.next(now)
    monkeypatch.setenv("JOB_CLEAR_CACHE_CRON", "every hour")
    assert "*/15 * * * *" in mistakes()["JOB_CLEAR_CACHE_CRON"]


def test_the_readme_lists_every_variable() -> None:
    """Name, whether it is required, default and meaning: the table is the code's."""
    listed = re.findall(r"^\| `[A-Z_]+` \|.*\|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [str(row) for row in variables()] == listed
