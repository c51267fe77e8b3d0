"""A load balancer, as far as restarts concern it: it asks who is ready, and tries again where nobody listens."""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from typing_extensions import override

from tests.faults.till import Heard, Till

_LOOK: Final = 0.02
"""Seconds between two looks at a replica."""
_TRIES: Final = 200


class Balancer(Till):
    """A POS behind a load balancer: its calls go to replicas that were ready a moment ago, in turn.

    Where a replica does not even take the connection the call goes to the next one, for nothing was sent. Whatever else
    breaks is the POS's to hear: `Heard` without a status.
    """

    def __init__(self, urls: list[str], key: str, *, patience: float) -> None:
        super().__init__(urls, key, patience=patience)
        self.broken: list[str] = []
        """How calls broke off of which nothing usable came back."""
        self.heard = 0
        """Calls that were answered."""
        self._ready = [False] * len(urls)
        self._watching: list[asyncio.Task[None]] = []

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._watching = [asyncio.create_task(self._watch(number)) for number in range(len(self._urls))]
        return self

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.wait(self._watching)
        await super().__aexit__(kind, error, trace)

    def is_ready(self, number: int) -> bool:
        """Whether a replica was ready when it was last looked at."""
        return self._ready[number]

    @override
    async def call(self, call: str, body: Any = None, *, at: int | None = None) -> Heard:
        for _ in range(_TRIES):
            began = time.monotonic()
            try:
                heard = await self.send(call, body, await self._next() if at is None else at)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(_LOOK)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.broken.append(repr(error))
                return Heard(call, None, b"", {}, time.monotonic() - began)
            else:
                self.heard += 1
                return heard
        raise AssertionError("no replica takes connections")

    async def _next(self) -> int:
        while not any(self._ready):  # noqa: ASYNC110 - what is waited for are other processes
            await asyncio.sleep(_LOOK)
        while True:
            self._turn += 1
            if self._ready[number := self._turn % len(self._urls)]:
                return number

    async def _watch(self, number: int) -> None:
        timeout = aiohttp.ClientTimeout(total=1)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
            while True:
                try:
                    async with client.get(f"{self._urls[number]}/health/ready") as reply:
                        self._ready[number] = reply.status == 200
                except (aiohttp.ClientError, TimeoutError):
                    self._ready[number] = False
                await asyncio.sleep(_LOOK)
