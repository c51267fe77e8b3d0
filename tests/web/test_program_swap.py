"""The reward program is swapped under a running service: no call is dropped, and each is judged by one program."""

import asyncio
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from loyalty_web.service_settings import Environment, ServiceSettings
from tests.integration.programs.program_files import BROKEN, BROKEN_BY, program_of, replace, toml_of
from tests.pdi import Pdi
from tests.processes import alive, soon
from tests.web.commands import Till, command, make_key
from tests.web.service import Service, running_service, settings

_AMOUNT: Final = 100
_SWAPPED: Final = "The reward program was swapped"
_UNCHANGED: Final = "The reward program is the one in force already"
_REFUSED: Final = "The changed reward program cannot be used; the one before it stays in force"
_GOLD: Final = Decimal("1.5")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A program file: a point a dollar."""
    path = tmp_path / "program.toml"
    replace(path, toml_of(1))
    return path


@pytest.fixture
async def swappable(database_url: str, redis_url: str, pdi: Pdi, file: Path) -> AsyncIterator[Service]:
    """A service with a program of its own."""
    service = ServiceSettings(environment=Environment.TEST, program=str(file))
    async with running_service(settings(database_url, redis_url, pdi, service=service)) as running:
        yield running


def points_by(version: str) -> int:
    """What the program called `version` gives a Gold customer for the basket of these tests."""
    return int(_AMOUNT * int(version.removeprefix("rate-")) * _GOLD)


async def test_calls_under_way_see_one_program(swappable: Service, file: Path, pdi: Pdi) -> None:
    """Swapped while PDI takes its time over a quote: the quote is the old program's, lines and all; the next is not."""
    session = (await swappable.identify()).json["sessionId"]
    await pdi.faults("latency", latencyMs=600, endpoints=["calculateRewards"])
    body = {"sessionId": session, "transactionAmount": _AMOUNT}
    call = asyncio.create_task(swappable.post("/calculateRewards", body))
    await pdi.until_at_work(1)
    replace(file, toml_of(2))
    swappable.container.program_watch().look_now()
    await soon(lambda: swappable.container.programs().current().version == "rate-2", "the swap")
    assert not call.done()
    quoted = (await call).json
    assert "rate-1" == quoted["programVersion"]
    assert [points_by("rate-1")] == [line["earnedPoints"] for line in quoted["lines"]]
    await pdi.faults()
    again = (await swappable.post("/calculateRewards", {**body, "transactionAmount": _AMOUNT + 1})).json
    assert "rate-2" == again["programVersion"]


async def test_swaps_under_requests(swappable: Service, file: Path, database_url: str) -> None:
    """Twenty swaps, every third attempt a broken file, under eight tills: every call is answered, by one program."""
    done = asyncio.Event()
    answers: list[tuple[int, Any]] = []

    async def till(number: int) -> None:
        for sale in itertools.count():
            if done.is_set():
                return
            opened = await swappable.identify(f"T-{number}-{sale}")
            body = {"sessionId": opened.json["sessionId"], "transactionAmount": _AMOUNT}
            quoted = await swappable.post("/calculateRewards", body)
            answers.extend([(opened.status, None), (quoted.status, quoted.json)])

    async def author() -> None:
        for rate in range(2, 22):
            if rate % 3 == 0:
                replace(file, BROKEN)
                swappable.container.program_watch().look_now()
                await asyncio.sleep(0.02)
            replace(file, toml_of(rate))
            swappable.container.program_watch().look_now()
            await soon(lambda rate=rate: swappable.container.programs().current().version == f"rate-{rate}", "the swap")  # type: ignore[misc]  # bound now
            seen = len(answers)
            await soon(lambda seen=seen: len(answers) > seen + 8, "some calls under it")  # type: ignore[misc]  # bound now
        done.set()

    await asyncio.gather(author(), *(till(number) for number in range(8)))
    assert {200: len(answers) // 2, 201: len(answers) // 2} == Counter(status for status, _ in answers)
    quotes = [quote for _, quote in answers if quote is not None]
    assert {f"rate-{rate}" for rate in range(2, 22)} <= {quote["programVersion"] for quote in quotes}
    for quote in quotes:
        # PDI's figure counts, ours is in the lines: they are the named program's.
        assert points_by(quote["programVersion"]) == sum(line["earnedPoints"] for line in quote["lines"])
    with psycopg.connect(database_url) as connection:
        stored = connection.execute(
            "SELECT DISTINCT quote->'ours'->>'program_version', quote->'ours'->>'program_hash' FROM sessions "
            "WHERE quote IS NOT NULL"
        ).fetchall()
        kept: dict[str, str] = dict(connection.execute("SELECT content_hash, version FROM reward_programs").fetchall())
        late = connection.execute(
            "SELECT count(*) FROM sessions s "
            "JOIN reward_programs p ON p.content_hash = s.quote->'ours'->>'program_hash' "
            "JOIN session_events e ON e.session_id = s.id AND e.cause = 'quoted' WHERE p.kept_at > e.at"
        ).fetchone()
    for version, content_hash in stored:
        assert program_of(int(version.removeprefix("rate-"))).content_hash == content_hash
        assert version == kept[content_hash]
    assert (0,) == late


class Process:
    """A command of ours with its output in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self._log = log

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def said(self, message: str) -> list[dict[str, Any]]:
        """The lines of log that begin with `message`."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"].startswith(message)]


@asynccontextmanager
async def logged(environment: dict[str, str], log: Path, *arguments: str) -> AsyncIterator[Process]:
    """A command that runs until it is told to end, and then ends well."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command(*arguments), env=environment, stdout=out, stderr=out)
    try:
        yield Process(process, log)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            assert 0 == await process.wait()


def children(pid: int) -> set[int]:
    """The web processes of a parent: those that have its command line's last word."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            if parent == pid and b"spawn_main" in words:
                found.add(int(entry.name))
    return found


class Selling:
    """A till that sells until it is told to stop, each call on a connection of its own."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._stop = asyncio.Event()
        self.versions: list[str] = []
        """What each quote named."""

    async def until_stopped(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            self.versions.append(await self.sale(f"T-{number}"))

    async def sale(self, transaction: str) -> str:
        """The version that a sale's quote names; both of its calls succeed."""
        opened, session = await self._till.post(
            "/identify", {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": transaction}
        )
        quoted, quote = await self._till.post(
            "/calculateRewards", {"sessionId": session["sessionId"], "transactionAmount": _AMOUNT}
        )
        assert (201, 200) == (opened, quoted)
        version: str = quote["programVersion"]
        return version

    async def some(self) -> set[str]:
        """The versions that the next ten sales named, the one under way left out."""
        seen = len(self.versions)
        await soon(lambda: len(self.versions) > seen + 10, "ten sales")
        return set(self.versions[seen + 1 :])

    def stop(self) -> None:
        self._stop.set()


@asynccontextmanager
async def two_processes(environment: dict[str, str], file: Path, log: Path) -> AsyncIterator[Process]:
    """`loyalty serve` with two web processes, both ready, and both reached by a first SIGHUP."""
    async with logged(environment | {"REWARD_PROGRAM": str(file)}, log, "serve", "--workers", "2") as service:
        await soon(lambda: len(children(service.process.pid)) == 2, "two web processes", 20)
        service.hang_up()
        await soon(lambda: len(service.said(_UNCHANGED)) == 2, "both to be reached", 20)
        yield service


async def test_hangups_reach_every_web_process(
    environment: dict[str, str], port: int, file: Path, tmp_path: Path
) -> None:
    """SIGHUP to the parent swaps in both processes, under sales; they live on, and a broken file changes nothing."""
    selling = Selling(Till(port, (await make_key(environment))["key"]))
    async with two_processes(environment, file, tmp_path / "serve.log") as service:
        before = children(service.process.pid)
        sales = asyncio.create_task(selling.until_stopped())
        for rate in (2, 3):
            replace(file, toml_of(rate))
            service.hang_up()
            await soon(lambda rate=rate: len(_swapped_to(service, rate)) == 2, "the swaps")  # type: ignore[misc]  # bound now
            assert {f"rate-{rate}"} == await selling.some()
        replace(file, BROKEN)
        service.hang_up()
        await soon(lambda: len(service.said(_REFUSED)) >= 2, "the refusals")
        for line in service.said(_REFUSED):
            assert ("ERROR", BROKEN_BY, "rate-3") == (line["level"], line["mistakes"], line["programVersion"])
        assert {"rate-3"} == await selling.some()
        selling.stop()
        await sales
        assert before == children(service.process.pid)


async def test_processes_started_while_the_file_is_broken(
    environment: dict[str, str], port: int, file: Path, tmp_path: Path
) -> None:
    """Both web processes are killed while the file is broken: those in their place go on with the program in force."""
    selling = Selling(Till(port, (await make_key(environment))["key"]))
    async with two_processes(environment, file, tmp_path / "serve.log") as service:
        replace(file, toml_of(2))
        service.hang_up()
        await soon(lambda: len(_swapped_to(service, 2)) == 2, "the swaps")
        replace(file, BROKEN)
        for pid in children(service.process.pid):
            os.kill(pid, signal.SIGKILL)
        told = "The reward program's file cannot be used; the program of the other processes is in force here too"
        await soon(lambda: len(service.said(told)) == 2, "two processes in their place", 20)
        assert {"rate-2"} == {await selling.sale(f"T-{number}") for number in range(10)}
        replace(file, toml_of(3))
        service.hang_up()
        await soon(lambda: len(_swapped_to(service, 3)) == 2, "the mended program", 20)


@pytest.mark.parametrize("arguments", [("serve",), ("worker",)])
async def test_a_hangup_ends_nothing(
    environment: dict[str, str], file: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Hung up on while it starts, a process lives, and answers once it can; told to end, it ends in order."""
    environment = environment | {"REWARD_PROGRAM": str(file)}
    log = tmp_path / "process.log"
    async with logged(environment, log, *arguments) as process:
        pid = process.process.pid
        await soon(lambda: _minds_hangups(pid), "the first moment in which it may be hung up on", 20)
        process.hang_up()
        await soon(lambda: bool(process.said(_UNCHANGED)), "the answer to it", 20)
        for rate in (2, 3, 4, 5):
            replace(file, toml_of(rate))
            process.hang_up()
            await soon(lambda rate=rate: bool(_swapped_to(process, rate)), "the swap")  # type: ignore[misc]  # bound now
        replace(file, toml_of(6))  # nobody says so
        await soon(lambda: bool(_swapped_to(process, 6)), "a change that is noticed", 15)


def _swapped_to(process: Process, rate: int) -> list[dict[str, Any]]:
    return [line for line in process.said(_SWAPPED) if line["programVersion"] == f"rate-{rate}"]


def _minds_hangups(pid: int) -> bool:
    """Whether the process's main thread holds back SIGHUP (it alone: a process being started holds back all), or has
    somebody to answer it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    masks = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    hangup = 1 << (signal.SIGHUP - 1)
    return int(masks["SigBlk"], 16) == hangup or bool(int(masks["SigCgt"], 16) & hangup)
