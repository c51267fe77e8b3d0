import functools
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import processes
from tests.e2e.stacks import RUNNER, RunningStack, free_port


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    made = RunningStack(tmp_path / "stack")
    yield made
    made.close()
    processes.eventually(lambda: not made.left_over(), "nothing of the stack is left")


def test_starts_in_order_and_says_where_everything_is(stack: RunningStack) -> None:
    """The database is migrated before the programs start, which get everything they need; the file says where it is."""
    stack.start()
    assert stack.events[0].startswith("migrated postgresql://")
    started = [event.split()[0] for event in stack.events if " started" in event]
    assert {"web", "worker"} == set(started)
    published = stack.environment()
    assert list(published) == ["LOYALTY_URL", "LOYALTY_API_KEY", "PDI_URL", "DATABASE_URL", "REDIS_URL"]
    assert published["LOYALTY_URL"] == f"http://127.0.0.1:{stack.port}"
    assert published["PDI_URL"] == f"http://127.0.0.1:{stack.pdi_port}"
    assert f"migrated {published['DATABASE_URL']}" == stack.events[0]
    with psycopg.connect(published["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_secrets_are_private_and_stay_the_same(stack: RunningStack) -> None:
    """The demo key, the pepper and PDI's secret are readable by their owner alone and survive a restart."""
    kept = ("demo-key", "api-key-pepper", "pdi-client-secret")
    stack.start()
    first = [(stack.home / name).read_text() for name in kept]
    assert {0o600} == {stat.S_IMODE((stack.home / name).stat().st_mode) for name in (*kept, "dev.env", "service.env")}
    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    stack.end()
    stack.start()
    assert first == [(stack.home / name).read_text() for name in kept]
    assert f"{stack.environment()['LOYALTY_API_KEY']}\n" == first[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(stack: RunningStack, number: signal.Signals) -> None:
    """The web goes first, the worker after it, then the rest; the exit is clean, nothing is left, rows survive."""
    stack.start()
    with psycopg.connect(stack.environment()["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    assert stack.end(number) == 0
    assert stack.events[-2:] == ["web stopped", "worker stopped"]
    assert stack.left_over() == {}
    stack.start()
    with psycopg.connect(stack.environment()["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_kill_9_of_the_supervisor_leaves_nothing(stack: RunningStack) -> None:
    """Even without a chance to stop anything, no program and no server outlives the supervisor; it starts again."""
    stack.start()
    assert len(stack.left_over()) > 6
    stack.end(signal.SIGKILL)
    processes.eventually(lambda: not stack.left_over(), "every process of the stack has ended")
    stack.start()


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_program_that_dies_is_started_again(stack: RunningStack, role: str) -> None:
    """A killed program comes back under a new process id, with a message; dying again at once delays it longer."""
    stack.start()
    for delay in ("0.2", "0.4"):
        killed = stack.started(role)[-1]
        os.kill(killed, signal.SIGKILL)
        stack.wait_for_print(f"{role} has ended (killed by SIGKILL); starting it again in {delay} s")
        processes.eventually(functools.partial(stack.runs_anew, role, killed), f"{role} runs again")
    assert len(set(stack.started(role))) == 3


def test_a_server_that_dies_is_started_again(stack: RunningStack) -> None:
    """A killed PostgreSQL comes back at the same address with what was committed."""
    stack.start()
    database_url = stack.environment()["DATABASE_URL"]
    server = int(next(stack.home.glob("postgres-*/postmaster.pid")).read_text().splitlines()[0])
    os.kill(server, signal.SIGKILL)
    stack.wait_for_print("PostgreSQL had ended and was started again")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_key_that_the_database_has_forgotten_is_made_anew(stack: RunningStack) -> None:
    """Where the service does not know the kept key any more, the banner and the file carry one that it knows."""
    stack.start()
    forgotten = stack.environment()["LOYALTY_API_KEY"]
    stack.end()
    (stack.folder / "known-keys").write_text("")
    stack.start()
    made = stack.environment()["LOYALTY_API_KEY"]
    assert forgotten != made
    assert (stack.folder / "known-keys").read_text().split() == [made]
    assert forgotten not in stack.says


def test_warnings_reach_the_terminal_and_everything_the_files(stack: RunningStack) -> None:
    """A developer sees warnings with the program's name; the rest is in the log files."""
    stack.start()
    stack.wait_for_print(f"web     | WARNING web warns port={stack.port}")
    stack.wait_for_print("worker  | WARNING worker warns")
    assert "/health" not in stack.says.partition("Ready:")[2]
    assert "/health" in (stack.home / "logs" / "web.log").read_text()


def test_two_stacks_live_side_by_side(stack: RunningStack, tmp_path: Path) -> None:
    """With other ports and another home a second stack runs beside the first; the same home is refused."""
    stack.start()
    other = RunningStack(tmp_path / "other")
    third = RunningStack(tmp_path / "third")
    third.home = stack.home
    try:
        other.start()
        assert third.start(wait=False).exit_code() == 1
        assert "Another instance is using" in third.says
        assert "LOYALTY_HOME" in third.says
        assert third.says.count("\n") == 1
    finally:
        other.close()
        third.close()
    processes.eventually(lambda: not other.left_over(), "nothing of the other stack is left")
    assert not stack.ended


def test_it_ends_with_its_parent_where_asked_to(stack: RunningStack) -> None:
    """`make run` that is killed takes the stack with it, in order."""
    script = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [sys.executable, str(RUNNER), str(stack.home), str(stack.port), str(stack.pdi_port), "--with-parent"]
    stack.folder.mkdir()
    with stack.printed.open("ab") as printed, subprocess.Popen(
        [sys.executable, "-c", script, *command], stdout=printed, stderr=printed,
        env={**os.environ, "STAND_IN_EVENTS": str(stack.events_file)},
    ) as parent:  # fmt: skip
        processes.eventually(lambda: "Ready: " in stack.says, "the stack is ready", 30)
        parent.kill()
    processes.eventually(lambda: not stack.left_over(), "the stack has ended")
    assert stack.events[-2:] == ["web stopped", "worker stopped"]


def test_a_port_that_is_taken_is_named_before_anything_starts(stack: RunningStack) -> None:
    """One sentence with the port and the variable to change, for either port."""
    for variable, port in (("PORT", stack.port), ("PDI_PORT", stack.pdi_port)):
        with processes.listening(port):
            assert stack.start(wait=False).exit_code() == 1
        assert stack.says.count("\n") == 1
        assert f"Error: Port {port} for" in stack.says
        assert f"with {variable}=<port>." in stack.says
    assert not stack.home.exists()


@pytest.mark.parametrize(("role", "sentence"), [
    ("migrate", "migrate failed: exit code 1"), ("keys", "keys failed: exit code 1"),
    ("serve", "web did not start: exit code 1"),
])  # fmt: skip
def test_a_program_that_cannot_start_ends_the_stack_with_its_last_words(
    stack: RunningStack, role: str, sentence: str
) -> None:
    """What fails before the stack is ready stops everything, and the terminal shows why."""
    stack.folder.mkdir()
    (stack.folder / f"events.{role}").touch()
    assert stack.start(wait=False).exit_code() == 1
    assert sentence in stack.says
    assert f"\n  {role} cannot start: a reason of its own\n" in stack.says
    assert stack.left_over() == {}


def test_ports_are_told_apart(stack: RunningStack) -> None:
    """The same port for both programs is a slip worth its own sentence."""
    stack.pdi_port = stack.port = free_port()
    assert stack.start(wait=False).exit_code() == 1
    assert f"PORT and PDI_PORT are both {stack.port}" in stack.says
