"""The commands as an operator runs them: real processes, their words and their exit codes."""

import asyncio
import json
import signal
import socket
import time
from datetime import datetime, timedelta

import aiohttp
import pytest

from tests.pdi import Pdi
from tests.web.commands import Ended, Till, make_key, run, run_process, started


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
