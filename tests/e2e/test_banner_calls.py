import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stacks import RunningStack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    made = RunningStack(tmp_path_factory.mktemp("banner") / "stack").start()
    yield made
    made.end()


def paste(*pieces: str) -> str:
    """What a plain shell prints when these pieces are pasted into it."""
    done = subprocess.run(["sh", "-eu"], input="\n".join(pieces), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_every_call_works_as_printed_and_the_session_flows_through(stack: RunningStack) -> None:
    """Pasted into a plain shell, identify's session id arrives in each call after it; the transaction id is its own."""
    calls = stack.calls()
    assert list(calls) == [
        "identify", "calculateRewards", "finalize", "getSessionStatus", "return", "cancel, of another session",
        "break PDI, then heal it",
    ]  # fmt: skip
    before = len(stack.events)
    paste(*list(calls.values())[:-1])
    seen = [event.split(maxsplit=2) for event in stack.events[before:]]
    paths = ["/identify", "/calculateRewards", "/finalize", "/return", "/identify", "/cancel"]
    bodies = [json.loads(words[2]) for words in seen if words[0] == "POST"]
    assert paths == [words[1] for words in seen if words[0] == "POST"]
    first, second = bodies[0]["transactionId"], bodies[4]["transactionId"]
    assert first != second
    assert [f"sess_{first}"] * 3 + [f"sess_{second}"] == [bodies[n]["sessionId"] for n in (1, 2, 3, 5)]
    assert first == bodies[2]["transactionId"]
    assert ["GET", f"/getSessionStatus?sessionId=sess_{first}"] == next(words for words in seen if words[0] == "GET")


def test_breaking_pdi_works_as_printed(stack: RunningStack) -> None:
    """The simulator takes the fault and is healed again."""
    broken, healed = paste(stack.calls()["break PDI, then heal it"]).splitlines()
    assert "timeout" in broken
    assert "timeout" not in healed


def test_the_published_file_can_be_sourced(stack: RunningStack) -> None:
    """A script that sources the file has the five variables."""
    printed = paste(
        f". '{stack.home}/dev.env'", 'echo "$LOYALTY_URL $PDI_URL $LOYALTY_API_KEY $DATABASE_URL $REDIS_URL"'
    )
    values = stack.environment()
    wanted = ("LOYALTY_URL", "PDI_URL", "LOYALTY_API_KEY", "DATABASE_URL", "REDIS_URL")
    assert [values[name] for name in wanted] == printed.split()


def test_the_service_s_commands_find_the_stack(stack: RunningStack) -> None:
    """What the banner offers for the `loyalty` command gives it every setting it requires, of this very stack."""
    (line,) = (line for line in stack.says.splitlines() if line.startswith("For the loyalty command: "))
    sourced, command = line.removeprefix("For the loyalty command: ").rsplit("; ", 1)
    assert Path(command.split()[0]).is_file()
    names = "APP_ENV DATABASE_URL REDIS_URL PDI_API_URL PDI_CLIENT_ID PDI_CLIENT_SECRET API_KEY_PEPPER"
    values = stack.environment()
    kept = [(stack.home / name).read_text().strip() for name in ("pdi-client-secret", "api-key-pepper")]
    wanted = ["development", values["DATABASE_URL"], values["REDIS_URL"], values["PDI_URL"], "loyalty-dev", *kept]
    assert wanted == paste(sourced, f"printenv {names}").split()
