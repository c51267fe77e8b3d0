"""POS terminals under load: sale after sale, each call repeated as a POS repeats it, everything written down."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.faults.ledger_check import REPEAT, Observation, Sale
from tests.faults.till import CHANNEL, Heard, Till

_AMOUNTS: Final = (3.5, 20.0, 49.99, 150.0)
_REPEATED: Final = REPEAT | {"storage_unavailable", "overloaded", "concurrent_update", "pdi_unauthorized"}
"""Codes after which the same call is made again, with the same payload."""
_PAUSE: Final = (0.05, 0.4)
"""Seconds between two tries, drawn evenly."""


@dataclass
class Record:
    """What the load heard, call by call."""

    calls: list[tuple[Sale, Heard]] = field(default_factory=list)
    sales: int = 0
    given_up: int = 0
    """Sales whose POS went away without an answer it could count on."""

    def observations(self) -> list[Observation]:
        """For the ledger check."""
        return [
            Observation(sale, heard.call, heard.status, heard.code, heard.json if heard.body else None)
            for sale, heard in self.calls
        ]

    def statuses(self, call: str) -> Counter[int | None]:
        """How often a call was answered with which status; None: with nothing."""
        return Counter(heard.status for _, heard in self.calls if heard.call == call)

    def codes(self) -> Counter[str]:
        """How often each problem was met."""
        return Counter(heard.code for _, heard in self.calls if heard.code is not None)

    def times(self, call: str, status: int) -> list[float]:
        """Seconds of the calls answered with `status`, shortest first."""
        return sorted(heard.took for _, heard in self.calls if (heard.call, heard.status) == (call, status))


class Load:
    """Terminals at work until told to stop, or until so many sales are made."""

    def __init__(
        self, till: Till, *, customers: int = 1000, prefix: str = "LOAD", tries: int = 40, seed: int | None = None
    ) -> None:
        """A POS makes a call at most `tries` times. Customers are PDI's `LOAD-<n>`."""
        self.record = Record()
        self._till = till
        self._customers = customers
        self._prefix = prefix
        self._tries = tries
        self._random = random.Random(seed)
        self._stopped = False
        self._numbers: Iterator[int] = iter(())

    async def run(self, *, terminals: int, sales: int = 1_000_000, seconds: float = 3600.0) -> Record:
        """Make `sales` sales, at most for `seconds`, from so many terminals at once; what has begun is finished."""
        self._numbers = iter(range(1, sales + 1))
        deadline = time.monotonic() + seconds
        await asyncio.gather(*(self._terminal(deadline) for _ in range(terminals)))
        return self.record

    def stop(self) -> None:
        """No new sales; those under way are finished."""
        self._stopped = True

    async def _terminal(self, deadline: float) -> None:
        for number in self._numbers:
            if self._stopped or time.monotonic() > deadline:
                return
            await self._sell(number)

    async def _sell(self, number: int) -> None:
        """One sale, as far as its POS gets."""
        self.record.sales += 1
        sale = Sale(CHANNEL, f"{self._prefix}-{number}")
        customer = f"LOAD-{number % self._customers}"
        amount = self._random.choice(_AMOUNTS)
        identified = await self._insist(sale, lambda: self._till.identify(sale.transaction, customer))
        if identified.status != 201:
            self.record.given_up += identified.status is None
            return
        session = identified.json["sessionId"]
        # A quote that could not be had is no reason not to sell.
        await self._once(sale, self._till.calculate(session, amount))
        finalized = await self._insist(sale, lambda: self._till.finalize(session, sale.transaction, amount))
        self.record.given_up += finalized.status is None or finalized.code in REPEAT

    async def _insist(self, sale: Sale, call: Callable[[], Awaitable[Heard]]) -> Heard:
        """Repeat a call that went unanswered or asks for it; the last word there was."""
        for _ in range(self._tries - 1):
            heard = await self._once(sale, call())
            if heard.status is not None and heard.code not in _REPEATED:
                return heard
            await asyncio.sleep(self._random.uniform(*_PAUSE))
        return await self._once(sale, call())

    async def _once(self, sale: Sale, call: Awaitable[Heard]) -> Heard:
        heard = await call
        self.record.calls.append((sale, heard))
        return heard
