"""Commits of outcomes that come while others are under way go together, in one transaction.

A hundred sessions that are delivered at once then cost the database a few transactions instead of hundreds. It is the
first try only: whatever keeps a group from being written, each of its units goes on by itself from there.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from enum import Enum, auto
from itertools import islice
from typing import Final, TypeAlias

from loyalty_adapters.postgres.connections import ConnectionLane
from loyalty_adapters.postgres.errors import AlreadyThere, Conflict
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_groups import CHANGE_MANY, Groupable, parameters_of
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.identifiers import SessionId

_LARGEST: Final = 64


class Fate(Enum):
    """What has become of a unit that was offered to a group."""

    WRITTEN = auto()
    UNDECIDED = auto()
    """Nothing of it was done."""
    LOST = auto()
    """The connection broke; it may have been done."""


_Offer: TypeAlias = "tuple[Groupable, asyncio.Future[Fate]]"
_Written: TypeAlias = dict[SessionId, Fate]


class GroupCommits:
    """The groups of one process on one lane. While one is written the next one gathers; nobody waits for company."""

    def __init__(self, lane: ConnectionLane, addresses: RowAddresses, at_once: int) -> None:
        """`at_once`: how many groups may be under way; fewer than the lane has connections."""
        self._lane = lane
        self._addresses = addresses
        self._at_once = at_once
        self._waiting: dict[SessionId, _Offer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers = 0
        self._singles = 0

    @property
    def has_company(self) -> bool:
        """Whether commits are under way, so that one more had better go in a group."""
        return self._singles > 0 or self._writers > 0

    @contextmanager
    def single(self) -> Iterator[None]:
        """A commit that goes by itself is under way for as long as the block runs."""
        self._singles += 1
        try:
            yield
        finally:
            self._singles -= 1

    async def offer(self, unit: Groupable) -> Fate:
        """Write `unit` with whatever else is offered by the time that its turn comes."""
        if unit.session in self._waiting:
            return Fate.UNDECIDED  # two of one session would be written as if they were one
        fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        self._waiting[unit.session] = unit, fate
        if self._writers < self._at_once:
            self._writers += 1
            # A context of its own: what it sends is nobody's trace alone.
            task = asyncio.create_task(self._write_all(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await fate

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                offers = [self._waiting.pop(session) for session in tuple(islice(self._waiting, _LARGEST))]
                written = await self._write([unit for unit, _ in offers])
                for unit, fate in offers:
                    if not fate.done():  # nobody waits for it any more
                        fate.set_result(written.get(unit.session, Fate.UNDECIDED))
        finally:
            # At once, not when the task is done: what is offered in between would wait for nobody.
            self._writers -= 1

    async def _write(self, group: list[Groupable]) -> _Written:
        versions = {unit.session: unit.version for unit in group}
        try:
            rows = await self._lane.run(CHANGE_MANY, parameters_of(group))
        except (Conflict, AlreadyThere, LoyaltyError):
            return {}
        except Exception:  # noqa: BLE001 - whatever it is, each unit finds out for itself whether it was written
            return dict.fromkeys(versions, Fate.LOST)
        for session, address in rows:
            self._addresses.note(session, versions[session], address)
        return {session: Fate.WRITTEN for session, _ in rows}
