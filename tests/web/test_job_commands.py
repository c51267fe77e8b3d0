"""What an operator sees of the jobs and does with them, by the commands themselves, on a real database."""

import asyncio
import getpass
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.job_ledger import JobName, RunStatus, Tick
from loyalty_web.cli import main
from tests.contracts.sales import loaded, new_session, store_now, stored
from tests.integration.postgres.observing import eventually, waiting_for_locks

JOB: Final = JobName.EXPIRE_SESSIONS
HOUR: Final = timedelta(hours=1)
LEASE: Final = timedelta(seconds=30)

Run = Callable[..., Result]


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    async with Connections(PostgresSettings(url=database_url)) as opened:
        yield opened


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
def ledger(connections: Connections) -> PostgresJobLedger:
    return PostgresJobLedger(connections)


@pytest.fixture
def environment(bare: dict[str, str], database_url: str) -> dict[str, str]:
    """A database and nothing else of ours."""
    return bare | {"DATABASE_URL": database_url, "COLUMNS": "240"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """`loyalty jobs ...` with this database, on a wide terminal."""

    def run(*arguments: str, **variables: str) -> Result:
        only = {name: environment.get(name) for name in {*os.environ, *environment}} | variables
        result = CliRunner().invoke(main, ("jobs", *arguments), env=only)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


async def in_thread(run: Run, *arguments: str, **variables: str) -> Result:
    """The command starts a loop of its own, so it needs a thread of its own."""
    return await asyncio.to_thread(run, *arguments, **variables)


async def expired(store: PostgresSessions, count: int) -> None:
    """Sessions whose time ran out an hour ago."""
    then = await store_now(store) - HOUR
    for _ in range(count):
        await stored(store, new_session(created_at=then - HOUR, expires_at=then))


async def test_a_job_is_run_by_hand(run: Run, store: PostgresSessions, ledger: PostgresJobLedger) -> None:
    """It does all there is to do, says what that was, and stands in the ledger with who ran it."""
    await expired(store, 7)
    young = await stored(store, new_session())
    counted = await in_thread(run, "run", "expire-sessions", "--dry-run")
    assert (0, "expire-sessions: 7 to do.\n") == (counted.exit_code, counted.stdout)
    assert (await ledger.standing(JOB)).ended is None
    done = await in_thread(run, "run", "expire-sessions", "--batch", "3")
    assert (0, "") == (done.exit_code, done.stderr)
    assert re.fullmatch(r"expire-sessions: done in \d+\.\d s: expired 7\.\n", done.stdout)
    ended = (await ledger.standing(JOB)).ended
    assert ended is not None
    assert ({"expired": 7}, False, RunStatus.DONE, 1) == (ended.counts, ended.scheduled, ended.status, ended.attempts)
    assert ended.runner.startswith(f"{getpass.getuser()} at ")
    assert SessionStatus.ACTIVE is (await loaded(store, young)).session.status


async def test_every_job_that_needs_the_database_alone_is_run_with_it(run: Run) -> None:
    """With nothing to do each says so, and leaves its row."""
    for name in ("expire-sessions", "archive-finalized", "clear-cache"):
        done = await in_thread(run, "run", name)
        assert (0, True) == (done.exit_code, done.stdout.startswith(f"{name}: done in ")), done.stderr
    shown = json.loads((await in_thread(run, "list", "--json")).stdout)
    assert ["done", "done", "done", None] == [it["lastRun"] and it["lastRun"]["status"] for it in shown]


async def test_enough_is_enough(run: Run, store: PostgresSessions) -> None:
    """With a limit no more is done than that."""
    await expired(store, 7)
    assert 0 == (await in_thread(run, "run", "expire-sessions", "--limit", "5", "--batch", "2")).exit_code
    assert "expire-sessions: 2 to do.\n" == (await in_thread(run, "run", "expire-sessions", "--dry-run")).stdout


async def test_a_moment_has_one_run(run: Run, store: PostgresSessions, ledger: PostgresJobLedger) -> None:
    """Asked for the same moment twice, the second time nothing is done, and who did it is named."""
    await expired(store, 2)
    moment = (await store_now(store) - HOUR / 2).isoformat()
    assert 0 == (await in_thread(run, "run", "expire-sessions", "--now", moment)).exit_code
    await expired(store, 1)
    again = await in_thread(run, "run", "expire-sessions", "--now", moment)
    assert (0, True, True) == (again.exit_code, "has had its run" in again.stdout, getpass.getuser() in again.stdout)
    assert "expire-sessions: 1 to do.\n" == (await in_thread(run, "run", "expire-sessions", "--dry-run")).stdout
    begun = await ledger.begin(Tick(job=JOB, at=datetime.fromisoformat(moment) - HOUR, scheduled=False), "one", LEASE)
    assert begun is not None
    await ledger.finish(msgspec.structs.replace(begun, error="broken"), RunStatus.FAILED)
    failed = await in_thread(run, "run", "expire-sessions", "--now", begun.tick.isoformat())
    assert (1, True) == (failed.exit_code, "failed at" in failed.stdout)


async def test_no_run_beside_another(run: Run, store: PostgresSessions, ledger: PostgresJobLedger) -> None:
    """While a worker runs the job, or it waits after an error, the command says who, and does nothing."""
    await expired(store, 1)
    begun = await ledger.begin(Tick(job=JOB, at=await store_now(store)), "worker-7:42", LEASE)
    assert begun is not None
    busy = await in_thread(run, "run", "expire-sessions")
    assert (3, "", True) == (busy.exit_code, busy.stdout, "is being run by worker-7:42" in busy.stderr)
    await ledger.put_back(msgspec.structs.replace(begun, error="overloaded: busy", failures=1), LEASE)
    waiting = await in_thread(run, "run", "expire-sessions")
    assert (3, True, True) == (waiting.exit_code, "overloaded: busy" in waiting.stderr, "worker-7" in waiting.stderr)
    assert "expire-sessions: 1 to do.\n" == (await in_thread(run, "run", "expire-sessions", "--dry-run")).stdout


async def test_what_a_dead_worker_left_is_finished_first(
    run: Run, store: PostgresSessions, ledger: PostgresJobLedger
) -> None:
    """Under its own row; then the run that was asked for has one of its own."""
    await expired(store, 3)
    left = await ledger.begin(Tick(job=JOB, at=await store_now(store), ticks=4), "worker-7:42", timedelta(0))
    assert left is not None
    done = await in_thread(run, "run", "expire-sessions", "--limit", "1")
    assert (0, True) == (done.exit_code, "worker-7:42 has left unfinished" in done.stderr)
    assert [("expired 3", True), ("nothing", True)] == [
        (line.rpartition(": ")[2].rstrip("."), "done" in line) for line in done.stdout.splitlines()
    ]
    finished = await ledger.find(JOB, left.tick)
    assert finished is not None
    assert (RunStatus.DONE, 2, 4, {"expired": 3}) == (
        finished.status, finished.attempts, finished.ticks, finished.counts
    )  # fmt: skip


async def test_a_run_that_fails_says_so(run: Run, database_url: str, ledger: PostgresJobLedger) -> None:
    """In words and by its exit code; the ledger keeps the words, the list calls the job failing."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("ALTER TABLE session_events RENAME TO gone")
    failed = await in_thread(run, "run", "expire-sessions")
    assert (1, "") == (failed.exit_code, failed.stdout)
    assert "failed: internal_error: the database refused a statement (SQLSTATE 42P01" in failed.stderr
    ended = (await ledger.standing(JOB)).ended
    assert ended is not None
    assert RunStatus.FAILED is ended.status
    listed = await in_thread(run, "list")
    assert (True, True) == ("failing" in listed.stdout, "SQLSTATE 42P01" in listed.stdout)


async def test_the_list(run: Run, store: PostgresSessions, ledger: PostgresJobLedger) -> None:
    """Every job with its schedule, the last run, the next tick and its health; for people and for programs."""
    shown = json.loads((await in_thread(run, "list", "--json")).stdout)
    assert [name.value for name in JobName] == [it["job"] for it in shown]
    assert [("*/15 * * * *", "overdue", None), ("0 2 * * *", "overdue", None)] == [
        (it["schedule"], it["health"], it["lastRun"]) for it in shown[:2]
    ]
    now = await store_now(store)
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    begun = await ledger.begin(Tick(job=JOB, at=quarter, ticks=3), "worker-7:42", LEASE)
    assert begun is not None
    page = (await in_thread(run, "list", JOB_RECONCILE_CRON="off", JOB_CLEAR_CACHE_CRON="*/5 * * * *")).stdout
    for word in (
        "running: worker-7:42",
        "*/5 * * * *",
        "never",
        "off",
        f"{quarter + timedelta(minutes=15):%m-%d %H:%M}",
    ):
        assert word in page
    await ledger.finish(msgspec.structs.replace(begun, counts={"expired": 1234}), RunStatus.DONE)
    page = (await in_thread(run, "list")).stdout
    for word in ("done, 3 ticks", "expired 1,234", "ok"):
        assert word in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "expire"), "expire-sessions"),
        (("run", "reconcile"), "PDI_API_URL"),
        (("run", "expire-sessions", "--now", "2026-11-23T02:00:00"), "has no offset"),
        (("run", "expire-sessions", "--now", "yesterday"), "is no time"),
        (("run", "expire-sessions", "--now", "2200-01-01T00:00:00Z"), "lies in the future"),
        (("run", "expire-sessions", "--batch", "0"), "--batch"),
        (("run",), "NAME"),
    ],
)
async def test_what_cannot_be_done_is_said_plainly(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """One message and the exit code for it; never a traceback."""
    ended = await in_thread(run, *arguments)
    assert (2, "", True) == (ended.exit_code, ended.stdout, words in ended.stderr), ended.stderr


async def test_a_bad_schedule_is_told(run: Run) -> None:
    """Before anything is done, by the variable's name."""
    ended = await in_thread(run, "list", JOB_EXPIRE_SESSIONS_CRON="hidden")
    assert (2, True, False) == (ended.exit_code, "JOB_EXPIRE_SESSIONS_CRON" in ended.stderr, "hidden" in ended.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_run_that_is_stopped_is_not_gone_on_with(
    environment: dict[str, str], store: PostgresSessions, ledger: PostgresJobLedger, number: signal.Signals
) -> None:
    """Ctrl-C, or a polite end: what was done stays done, and the row says that somebody stopped it."""
    await expired(store, 30)
    arguments = [sys.executable, "-m", "loyalty_web.cli", "jobs", "run", "expire-sessions", "--batch", "1"]
    process = await asyncio.create_subprocess_exec(
        *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    url = environment["DATABASE_URL"]
    async with (
        await psycopg.AsyncConnection.connect(url) as holder,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as operator,
    ):
        # The batches go on until one of them has to wait: nobody may be quicker than the signal.
        await holder.execute("LOCK TABLE session_events IN SHARE MODE")
        await eventually(lambda: waiting_for_locks(operator), within=30)
        begun = (await ledger.standing(JOB)).open
        assert begun is not None
        process.send_signal(number)
    async with asyncio.timeout(30):
        _, err = await process.communicate()
    ended = await ledger.find(JOB, begun.tick)
    assert ended is not None
    assert (1, RunStatus.FAILED, "stopped by hand") == (process.returncode, ended.status, ended.error)
    assert b"Traceback" not in err


async def test_a_terminal_sees_a_bar(environment: dict[str, str], store: PostgresSessions) -> None:
    """On a terminal progress is shown, and gone at the end; the result is on standard output all the same."""
    await expired(store, 20)
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "loyalty_web.cli", "jobs", "run", "expire-sessions", "--batch", "1"]
    process = await asyncio.create_subprocess_exec(
        *arguments, env=environment | {"TERM": "xterm-256color"}, stdout=asyncio.subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    seen = await asyncio.to_thread(_all_of, ours)
    assert (0, True) == (process.returncode, b"expired 20" in out)
    assert b"expire-sessions" in seen
    assert b"20/20" in seen


def _all_of(terminal: int) -> bytes:
    seen = b""
    try:
        while part := os.read(terminal, 65536):
            seen += part
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(terminal)
    return seen
