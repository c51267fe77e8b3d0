"""The commands as an operator runs them: real processes, their words and their exit codes."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
from click.testing import CliRunner

from loyalty_web.cli import main
from loyalty_web.settings import variables
from tests.pdi import Pdi
from tests.web.service import PEPPER


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "loyalty_web.cli", *arguments]


async def run(environment: Mapping[str, str], *arguments: str) -> Ended:
    """A command that ends by itself, in this process: its own starting is half a second that proves nothing."""
    only = {name: environment.get(name) for name in {*os.environ, *environment}}
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments, env=only)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


async def run_process(environment: Mapping[str, str], *arguments: str) -> Ended:
    """A command, in a process of its own, to its end."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def bare() -> dict[str, str]:
    """The environment without anything of ours."""
    ours = {row.name for row in variables()} | {"NODE_ENV"}
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}


@pytest.fixture
def environment(bare: dict[str, str], database_url: str, redis_url: str, pdi: Pdi, port: int) -> dict[str, str]:
    """Everything the service needs."""
    return bare | {
        "APP_ENV": "test",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PDI_API_URL": pdi.url,
        "PDI_CLIENT_ID": pdi.client_id,
        "PDI_CLIENT_SECRET": pdi.client_secret,
        "API_KEY_PEPPER": PEPPER,
        "QUEUE_BACKOFF_CAP_SECONDS": "0.1",
        "QUEUE_PROBE_SECONDS": "0.05",
    }


@asynccontextmanager
async def started(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that runs until it is told to end; ended here where the test has not done so."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments), env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(20):
                await process.wait()


class Till:
    """Calls a service on a port."""

    def __init__(self, port: int, key: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def until_it_answers(self) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.get("/health")
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def get(self, path: str) -> tuple[int, Any]:
        """A call on a connection of its own, so that any worker may get it."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.get(self._url + path, headers=self._headers) as reply,
        ):
            return reply.status, await reply.json(content_type=None)

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """As `get`."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.post(self._url + path, json=body, headers=self._headers) as reply,
        ):
            return reply.status, await reply.json(content_type=None)

    async def identify(self) -> str:
        body = {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "T-1"}
        status, answer = await self.post("/identify", body)
        assert status == 201
        session: str = answer["sessionId"]
        return session

    async def finalize(self, session: str) -> tuple[int, Any]:
        return await self.post(
            "/finalize", {"sessionId": session, "transactionId": "T-1", "finalAmount": 150, "applyRewards": True}
        )


async def make_key(environment: Mapping[str, str]) -> dict[str, Any]:
    made = await run(environment, "keys", "create", "--client", "demo", "--channels", "POS-*", "--json")
    assert (0, "") == (made.code, made.err)
    key: dict[str, Any] = json.loads(made.out)
    return key


@pytest.mark.parametrize("arguments", [["serve"], ["worker"], ["migrate"], ["keys", "list"]])
async def test_missing_settings_are_one_message(bare: dict[str, str], arguments: list[str]) -> None:
    """Exit code 2, every name at once, and no traceback."""
    ended = await run(bare, *arguments)
    assert (2, "") == (ended.code, ended.out)
    assert "DATABASE_URL: is required" in ended.err
    assert "Traceback" not in ended.err


async def test_a_program_that_is_none_stops_the_start(environment: dict[str, str]) -> None:
    """A program that cannot be used is told before anything listens."""
    ended = await run(environment | {"REWARD_PROGRAM": __file__}, "serve")
    assert 2 == ended.code
    assert "REWARD_PROGRAM: is not a usable program" in ended.err
    assert "Traceback" not in ended.err


async def test_a_port_that_is_taken(environment: dict[str, str], port: int) -> None:
    """One sentence, and what to do."""
    with socket.create_server(("127.0.0.1", port)):
        ended = await run_process(environment, "serve")
    assert 1 == ended.code
    assert [f"port {port}" in line and "set PORT" in line for line in ended.err.splitlines()] == [True]


async def test_migrating(environment: dict[str, str], empty_database_url: str) -> None:
    """`--check` says what is missing and changes nothing; then it is applied once."""
    there = environment | {"DATABASE_URL": empty_database_url}
    missing = await run(there, "migrate", "--check")
    assert 1 == missing.code
    assert "to apply: 0001" in missing.out
    applied = await run(there, "migrate")
    assert 0 == applied.code
    assert missing.out.replace("to apply", "applied") == applied.out
    for arguments in (["migrate"], ["migrate", "--check"]):
        assert Ended(0, "The database is up to date.\n", "") == await run(there, *arguments)


async def test_a_database_that_cannot_be_reached(environment: dict[str, str], port: int) -> None:
    """One sentence without the address, which holds a password."""
    nowhere = environment | {"DATABASE_URL": f"postgresql://loyalty:hidden@127.0.0.1:{port}/loyalty"}
    for arguments in (["migrate"], ["keys", "list"]):
        ended = await run(nowhere, *arguments)
        assert 1 == ended.code
        assert "cannot be reached" in ended.err
        assert "hidden" not in ended.err
        assert "Traceback" not in ended.err


async def test_keys_from_their_making_to_their_end(environment: dict[str, str]) -> None:
    """Shown once, listed without it, refused where another client has the channel, revoked by its id."""
    key = await make_key(environment)
    listed = await run(environment, "keys", "list", "--json")
    assert [{name: value for name, value in key.items() if name != "key"}] == json.loads(listed.out)
    assert key["key"] not in (await run(environment, "keys", "list")).out
    overlapping = await run(environment, "keys", "create", "--client", "other", "--channels", "POS-7")
    assert 1 == overlapping.code
    assert "belongs to client demo" in overlapping.err
    for wrong in (["--channels", "a b"], ["--channels", "A", "--scopes", "root"], ["--channels", ","]):
        assert (await run(environment, "keys", "create", "--client", "other", *wrong)).code in {1, 2}
    assert 0 == (await run(environment, "keys", "revoke", key["id"])).code
    assert json.loads((await run(environment, "keys", "list", "--json")).out)[0]["revokedAt"]
    assert 1 == (await run(environment, "keys", "revoke", "0" * 16)).code


async def test_a_key_is_followed_by_another(environment: dict[str, str], port: int) -> None:
    """Both open until the grace is over; then only the new one does, with the same rights."""
    old = await make_key(environment)
    made = await run(environment, "keys", "rotate", old["id"], "--grace", "2s", "--json")
    assert (0, "") == (made.code, made.err)
    new = json.loads(made.out)
    same = ("client", "channels", "scopes", "expiresAt")
    assert [old[name] for name in same] == [new[name] for name in same]
    async with started(environment, "serve"):
        await Till(port, new["key"]).until_it_answers()
        statuses = []
        until = time.monotonic() + 20
        while 401 not in statuses and time.monotonic() < until:
            statuses.append((await Till(port, old["key"]).get("/getSessionStatus?sessionId=none"))[0])
            assert 404 == (await Till(port, new["key"]).get("/getSessionStatus?sessionId=none"))[0]
            await asyncio.sleep(0.1)
    assert 401 == statuses[-1]
    listed = {key["id"]: key for key in json.loads((await run(environment, "keys", "list", "--json")).out)}
    assert listed[old["id"]]["expiresAt"]
    assert listed[new["id"]]["lastUsedAt"]


async def test_what_cannot_be_rotated(environment: dict[str, str]) -> None:
    """A key that opens nothing, one that is none, and a grace that is no span of time: a sentence each."""
    key = await make_key(environment)
    assert 2 == (await run(environment, "keys", "rotate", key["id"], "--grace", "soon")).code
    assert 2 == (await run(environment, "keys", "rotate", key["id"], "--grace", "24")).code
    assert 0 == (await run(environment, "keys", "rotate", key["id"], "--grace", "0")).code
    ended = await run(environment, "keys", "rotate", key["id"])
    assert (1, True) == (ended.code, "opens nothing any more" in ended.err)
    assert 1 == (await run(environment, "keys", "rotate", "0" * 16)).code


async def test_a_limited_key_is_followed_by_one_as_limited(environment: dict[str, str]) -> None:
    """A key made for ninety days is not followed by one for good, unless somebody says how long."""
    arguments = ("--client", "demo", "--channels", "POS-*", "--expires-in-days", "90", "--json")
    key = json.loads((await run(environment, "keys", "create", *arguments)).out)
    lifetimes = []
    for more in ([], ["--expires-in-days", "10"]):
        new = json.loads((await run(environment, "keys", "rotate", key["id"], "--json", *more)).out)
        lifetimes.append(datetime.fromisoformat(new["expiresAt"]) - datetime.fromisoformat(new["createdAt"]))
    assert [timedelta(days=90), timedelta(days=10)] == lifetimes


async def test_a_revocation_reaches_every_worker_within_a_second(environment: dict[str, str], port: int) -> None:
    """Two web processes; both know the key, and a second after it was revoked neither does."""
    key = await make_key(environment)
    till = Till(port, key["key"])
    async with started(environment, "serve", "--workers", "2"):
        await till.until_it_answers()
        for _ in range(20):
            assert 404 == (await till.get("/getSessionStatus?sessionId=none"))[0]
        assert 0 == (await run(environment, "keys", "revoke", key["id"])).code
        await asyncio.sleep(1.0)
        for _ in range(20):
            assert 401 == (await till.get("/getSessionStatus?sessionId=none"))[0]


@pytest.mark.parametrize(("workers", "number"), [("1", signal.SIGTERM), ("1", signal.SIGINT), ("2", signal.SIGTERM)])
async def test_calls_under_way_are_finished(
    environment: dict[str, str], port: int, pdi: Pdi, workers: str, number: signal.Signals
) -> None:
    """Told to end while PDI takes its time: the POS still gets its 200, then the service ends, without a fuss."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve", "--workers", workers) as service:
        await till.until_it_answers()
        session = await till.identify()
        await pdi.faults("latency", latencyMs=800, endpoints=["finalize"])
        call = asyncio.create_task(till.finalize(session))
        await pdi.until_at_work(1)
        service.send_signal(number)
        status, answer = await call
        assert (200, "finalized") == (status, answer["status"])
        async with asyncio.timeout(10):
            assert 0 == await service.wait()
        assert service.stderr is not None
        assert b"" == await service.stderr.read()
    assert 1 == len(await pdi.ledger(transactionId="T-1"))


async def test_web_processes_end_with_their_parent(environment: dict[str, str], port: int) -> None:
    """Killed without a word, the parent leaves no process behind that goes on answering."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve", "--workers", "2") as service:
        await till.until_it_answers()
        service.kill()
        # Its end is seen once the last process has let go of the pipe they all write to.
        async with asyncio.timeout(15):
            await service.wait()
    with pytest.raises(aiohttp.ClientConnectionError):
        await till.get("/health")


async def test_a_till_that_hangs_up_cancels_nothing(environment: dict[str, str], port: int, pdi: Pdi) -> None:
    """Hung up on while PDI takes its time, told to end, and the outcome is on record before the process is gone."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve") as service:
        await till.until_it_answers()
        session = await till.identify()
        await pdi.faults("latency", latencyMs=800, endpoints=["finalize"])
        call = asyncio.create_task(till.finalize(session))
        await pdi.until_at_work(1)
        call.cancel()
        await asyncio.wait([call])
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 0 == await service.wait()
    async with started(environment, "serve"):
        await till.until_it_answers()
        status, answer = await till.get(f"/getSessionStatus?sessionId={session}")
        assert (200, "finalized", 5450) == (status, answer["status"], answer["newBalance"])
    assert 1 == await pdi.calls("finalize")


async def test_a_worker_delivers_what_was_promised(environment: dict[str, str], port: int, pdi: Pdi) -> None:
    """PDI fails, the POS is promised, PDI is back: the worker books it once, and ends when it is told to."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve"), started(environment, "worker") as worker:
        await till.until_it_answers()
        session = await till.identify()
        await pdi.faults("http_503", endpoints=["finalize"])
        status, _ = await till.finalize(session)
        assert status == 202
        await pdi.faults()
        until = time.monotonic() + 20
        while (await till.get(f"/getSessionStatus?sessionId={session}"))[1]["status"] != "finalized":
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 0 == await worker.wait()
    assert 1 == len(await pdi.ledger(transactionId="T-1"))
    assert await pdi.fired("http_503") > 0


async def test_the_simulator_by_its_short_name(bare: dict[str, str]) -> None:
    """`loyalty sim` is the simulator, options and refusals and all."""
    assert "--die-with-parent" in (await run_process(bare, "sim", "--help")).out
    refused = await run_process(bare | {"APP_ENV": "production"}, "sim")
    assert 2 == refused.code
    assert "refuses to start" in refused.err
