"""How the processes of the service end: in order and in time where they are told to once, at once where told again."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from loyalty_web.draining import DrainingServer
from loyalty_web.http_protocol import ServiceConfig
from tests.pdi import Pdi
from tests.processes import naming, soon
from tests.web.commands import Till, make_key, started

LONG = 8000
"""Milliseconds that PDI takes where nobody is meant to wait for it."""


slow = pytest.mark.slow
ONE_OR_TWO = pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=slow)])
TWO_OR_ONE = pytest.mark.parametrize("workers", ["2", pytest.param("1", marks=slow)])


async def at_work(environment: dict[str, str], port: int, pdi: Pdi, latency: int) -> tuple[Till, asyncio.Task[Any]]:
    """A finalize that has just reached PDI, which takes its time."""
    till = Till(port, (await make_key(environment))["key"])
    await till.until_it_answers()
    session = await till.identify()
    await pdi.faults("latency", latencyMs=latency, endpoints=["finalize"])
    call = asyncio.create_task(till.finalize(session))
    await pdi.until_at_work(1)
    return till, call


@TWO_OR_ONE
async def test_it_answers_on_until_the_load_balancer_has_noticed(
    environment: dict[str, str], port: int, workers: str
) -> None:
    """Not ready at once; calls on old and new connections are answered, and each of these is then given up."""
    till = Till(port, (await make_key(environment))["key"])
    settings = environment | {"DRAIN_SECONDS": "1", "SHUTDOWN_SECONDS": "10"}
    async with started(settings, "serve", "--workers", workers) as service:
        await till.until_it_answers()
        url = f"http://127.0.0.1:{port}/health/ready"
        async with aiohttp.ClientSession() as client, client.get(url) as reply:
            assert (200, None) == (reply.status, reply.headers.get("Connection"))
            service.send_signal(signal.SIGTERM)
            statuses: set[int] = set()
            async with asyncio.timeout(10):
                while 503 not in statuses or len(statuses) > 1:
                    statuses = {await _status(till) for _ in range(4)}
            async with client.get(url) as again:
                assert (503, "close") == (again.status, again.headers["Connection"])
            assert await till.identify()
        async with asyncio.timeout(15):
            assert 0 == await service.wait()
    with pytest.raises(aiohttp.ClientConnectionError):
        await till.get("/health")


async def _status(till: Till) -> int:
    return (await till.get("/health/ready"))[0]


@ONE_OR_TWO
async def test_told_again_it_ends_at_once(environment: dict[str, str], port: int, pdi: Pdi, workers: str) -> None:
    """Whatever is under way: what was promised is in the database. The exit code says that it was no orderly end."""
    async with started(environment, "serve", "--workers", workers) as service:
        _, call = await at_work(environment, port, pdi, LONG)
        service.send_signal(signal.SIGTERM)
        await asyncio.sleep(1.2)  # a signal that follows at once would be the first one once more
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 1 == await service.wait()
        assert time.monotonic() - began < LONG / 1000 - 2
        with pytest.raises(aiohttp.ClientError):
            await call
        assert service.stderr is not None
        assert b"Ending at once: told to a second time.\n" in await service.stderr.read()


@TWO_OR_ONE
async def test_a_whole_group_that_is_told_is_told_once(
    environment: dict[str, str], port: int, pdi: Pdi, workers: str
) -> None:
    """Service managers tell every process of a group, and the first of them tells the others: calls are finished."""
    async with started(environment, "serve", "--workers", workers) as service:
        _, call = await at_work(environment, port, pdi, 1500)
        for pid in naming(f"PORT={port}"):
            os.kill(pid, signal.SIGTERM)
        status, _ = await call
        async with asyncio.timeout(10):
            assert (200, 0) == (status, await service.wait())


@ONE_OR_TWO
async def test_it_takes_no_longer_than_it_may(environment: dict[str, str], port: int, pdi: Pdi, workers: str) -> None:
    """A call that PDI keeps waiting for longer than there is time for is not waited for."""
    async with started(environment | {"SHUTDOWN_SECONDS": "1"}, "serve", "--workers", workers) as service:
        _, call = await at_work(environment, port, pdi, LONG)
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 1 == await service.wait()
        assert time.monotonic() - began < LONG / 1000 - 2
        await asyncio.wait([call])
    assert call.exception() is not None or call.result()[0] >= 500


async def test_a_worker_ends_what_it_has_begun(environment: dict[str, str], port: int, pdi: Pdi) -> None:
    """Told to end while PDI takes its time: the delivery is finished and written down, and no lease is left behind."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve"):
        await till.until_it_answers()
        session = await till.identify()
        await pdi.faults("http_503", endpoints=["finalize"])
        assert 202 == (await till.finalize(session))[0]
        await pdi.faults("latency", latencyMs=1500, endpoints=["finalize", "getSessionStatus"])
        async with started(environment, "worker") as worker:
            await pdi.until_at_work(1)
            worker.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert 0 == await worker.wait()
        assert "finalized" == (await till.get(f"/getSessionStatus?sessionId={session}"))[1]["status"]
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
        owed = await connection.execute("SELECT count(*) FROM sessions WHERE owed_next_at IS NOT NULL")
        assert (0,) == await owed.fetchone()


@slow
async def test_a_worker_told_again_ends_at_once(environment: dict[str, str], port: int, pdi: Pdi) -> None:
    """The lease that it leaves behind ends by itself."""
    till = Till(port, (await make_key(environment))["key"])
    async with started(environment, "serve"):
        await till.until_it_answers()
        session = await till.identify()
        await pdi.faults("http_503", endpoints=["finalize"])
        assert 202 == (await till.finalize(session))[0]
        await pdi.faults("latency", latencyMs=LONG, endpoints=["finalize", "getSessionStatus"])
        async with started(environment, "worker") as worker:
            await pdi.until_at_work(1)
            worker.send_signal(signal.SIGTERM)
            await asyncio.sleep(1.2)
            worker.send_signal(signal.SIGTERM)
            async with asyncio.timeout(4):
                assert 1 == await worker.wait()


@slow
async def test_a_process_is_replaced_unnoticed(environment: dict[str, str], port: int) -> None:
    """One of two web processes ends and another takes its place; no call on a connection of its own fails."""
    till = Till(port, (await make_key(environment))["key"])
    failed: list[object] = []
    answered = 0

    async def call_on() -> None:
        nonlocal answered
        while True:
            try:
                status, _ = await till.get("/getSessionStatus?sessionId=none")
            except aiohttp.ClientError as error:
                failed.append(error)
            else:
                failed.extend([status] if status != 404 else [])
                answered += 1

    async with started(environment | {"DRAIN_SECONDS": "0.2"}, "serve", "--workers", "2") as service:
        await till.until_it_answers()
        await soon(lambda: len(_web_processes(service)) == 2, "two web processes", 30)
        calls = [asyncio.create_task(call_on()) for _ in range(3)]
        for _ in range(2):
            before = _web_processes(service)
            os.kill(before[0], signal.SIGTERM)
            await soon(
                lambda before=before: before[0] not in (now := _web_processes(service)) and len(now) == 2,  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
                "another process",
                30,
            )
            had = answered
            await soon(lambda had=had: answered > had + 20, "calls are answered", 30)  # type: ignore[misc]  # as above
        for task in calls:
            task.cancel()
        await asyncio.wait(calls)
    assert [] == failed


def _web_processes(service: asyncio.subprocess.Process) -> list[int]:
    """The processes below `loyalty serve` that serve, not those of Python's own bookkeeping."""
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


# -- the last moments of a server


async def ask(scope: Any, _: Any, send: Any) -> None:
    """An application that answers anything."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def client_of(port: int) -> Iterator[socket.socket]:
    """A connection that was made while the server's loop did nothing, because this is its thread."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        yield connection


def answer(client: socket.socket) -> bytes:
    """What came, to its end."""
    came = b""
    while not came.endswith(b"ok") and (more := client.recv(65536)):
        came += more
    return came


REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


async def running_server() -> tuple[DrainingServer, socket.socket]:
    config = ServiceConfig(ask, header_seconds=1.0, lifespan="off", log_config=None, access_log=False)
    server = DrainingServer(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    return server, listener


async def test_who_has_come_to_the_door_is_let_in() -> None:
    """A connection that only the kernel has accepted, its request sent: answered before the server is gone."""
    server, listener = await running_server()
    number = listener.getsockname()[1]
    with client_of(number) as first, client_of(number) as second:
        for client in (first, second):
            client.sendall(REQUEST)
        async with asyncio.timeout(10):
            end = asyncio.create_task(server.shutdown([listener]))
            for client in (first, second):
                assert (await asyncio.to_thread(answer, client)).startswith(b"HTTP/1.1 200 ")
                client.close()
            await end
    with pytest.raises(ConnectionRefusedError):
        client_of(number).__enter__()


async def test_a_request_that_has_come_is_answered() -> None:
    """Its bytes are there, and nobody has read them when the connection, idle until now, was to be closed."""
    server, listener = await running_server()
    with client_of(listener.getsockname()[1]) as client:
        client.sendall(REQUEST)
        assert (await asyncio.to_thread(answer, client)).startswith(b"HTTP/1.1 200 ")
        client.sendall(REQUEST)
        (connection,) = server.server_state.connections
        connection.shutdown()
        assert (await asyncio.to_thread(answer, client)).startswith(b"HTTP/1.1 200 ")
        connection.shutdown()  # idle, and nothing has come
        assert b"" == await asyncio.to_thread(answer, client)
    await server.shutdown([listener])
