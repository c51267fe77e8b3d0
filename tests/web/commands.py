"""The commands, run as an operator runs them, and a till that calls the service they start."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from click.testing import CliRunner

from loyalty_web.cli import main


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
