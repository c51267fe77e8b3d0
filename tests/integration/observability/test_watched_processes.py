"""The commands themselves: `loyalty serve` with several processes, and `loyalty worker`, scraped from outside."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.pdi import Pdi
from tests.processes import soon

STARTS: Final = 60
"""Seconds that a command may take to start on a machine that is busy with other suites."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _environment(database_url: str, redis_url: str, pdi: Pdi, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "APP_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PDI_API_URL": pdi.url,
        "PDI_CLIENT_ID": pdi.client_id,
        "PDI_CLIENT_SECRET": pdi.client_secret,
        "API_KEY_PEPPER": "a pepper of thirty-two characters",
        "LOG_LEVEL": "error",
        **more,
    }


@contextmanager
def _command(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-m", "loyalty_web.cli", *arguments], env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def _scraper(url: str) -> AsyncIterator["Scraper"]:
    # A connection each, so that each may meet another process.
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Scraper(session)


async def _eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(STARTS):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.1)


class Scraper:
    """Reads metrics as Prometheus does."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def answers(self, path: str) -> bool:
        try:
            async with self._session.get(path) as response:
                return response.status < 500
        except aiohttp.ClientError:
            return False

    async def until_it_answers(self, path: str) -> None:
        await _eventually(lambda: self.answers(path))

    async def total(self, name: str) -> float:
        """The sum of a family's samples."""
        async with self._session.get("/metrics") as response:
            text = await response.text()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )


def _workers_of(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def test_a_counter_never_goes_back_while_workers_die(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Two web processes, scraped now here, now there, one of them killed and replaced: totals only grow."""
    port = _free_port()
    environment = _environment(database_url, redis_url, pdi, PORT=str(port))
    with _command(environment, "serve", "--workers", "2") as serve:
        async with _scraper(f"http://127.0.0.1:{port}") as scraper:
            await scraper.until_it_answers("/health/ready")
            seen = 0.0
            for turn in range(30):
                assert await scraper.answers("/identify")  # refused, and counted
                total = await scraper.total("loyalty_http_requests_total")
                assert total >= seen + 1
                seen = total
                if turn == 10:
                    victim = _workers_of(serve.pid)[0]
                    os.kill(victim, signal.SIGKILL)
                    await soon(
                        lambda victim=victim: (
                            victim not in _workers_of(serve.pid)  # type: ignore[misc]  # bound here
                            and len(_workers_of(serve.pid)) == 2
                        ),
                        "a new worker in the place of the killed one",
                        STARTS,
                    )
                    await scraper.until_it_answers("/health/ready")
            assert 1 == await scraper.total("loyalty_build_info")  # said once for both
    assert 0 == serve.returncode


async def test_a_worker_is_scraped_on_a_port_of_its_own(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """It answers no calls, and with METRICS_PORT it still tells what it sees of the queue and its dependencies."""
    port = _free_port()
    environment = _environment(database_url, redis_url, pdi, METRICS_PORT=str(port), HEALTH_INTERVAL_SECONDS="0.1")
    with _command(environment, "worker") as worker:
        async with _scraper(f"http://127.0.0.1:{port}") as scraper:
            await scraper.until_it_answers("/metrics")

            async def all_up() -> bool:
                return await scraper.total("loyalty_dependency_up") == 3

            await _eventually(all_up)
            assert 20 == await scraper.total("loyalty_database_connections")
    assert 0 == worker.returncode
