"""Commits a unit of work once, whatever happens to the connection around it."""

import asyncio
import random
from enum import Enum, auto
from typing import Any, Final, LiteralString

from loyalty_adapters.postgres.archive_moves import BRING_BACK
from loyalty_adapters.postgres.connections import ConnectionLane, Row
from loyalty_adapters.postgres.errors import AlreadyThere, Conflict, ConnectionLost
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_writes import Write
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.domain.errors import ConcurrentUpdate, OutcomeUnknown, Overloaded, StorageUnavailable
from loyalty_core.ports.session_store import KeyTaken, StaleSession

_LOCK_ALL: Final[LiteralString] = "SELECT id FROM sessions WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE"
_WAS_WRITTEN: Final[LiteralString] = """
SELECT 1 FROM session_events
 WHERE session_id = %(session)s::uuid AND version = %(version)s::int8 AND change_id = %(change_id)s::uuid
"""
_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.2


class _Refusal(Enum):
    STALE = auto()
    KEY_TAKEN = auto()


class Commit:
    """One unit of work on its way into the database.

    Sending a write again is always safe: an update names the version it was made from, an insert its keys, and either
    waits for whoever holds the row or the key, also where that is our own earlier attempt, orphaned by a connection
    that broke. So a lost answer is resolved by sending again: it is either done now, once, or refused, and then our
    change id in the timeline tells whether the one that got in before was ours.
    """

    def __init__(
        self,
        lane: ConnectionLane,
        writes: tuple[Write, ...],
        addresses: RowAddresses,
        settings: PostgresSettings,
        *,
        lost: bool = False,
    ) -> None:
        """`lost`: it was sent once before, and the connection broke."""
        self._lane = lane
        self._writes = writes
        self._addresses = addresses
        self._settings = settings
        self._conflicts = 0
        self._lost_at = asyncio.get_running_loop().time() if lost else None

    async def run(self) -> None:
        """Return once it is durable. Raises what `SessionStore.commit` does."""
        pause = _FIRST_PAUSE
        while True:
            try:
                refusal = await self._attempt()
                if refusal is None or await self._was_written_before():
                    return
            except Conflict:
                self._count_conflict()
            except ConnectionLost:
                self._note_loss()
            except (StorageUnavailable, Overloaded):
                if self._lost_at is None:
                    raise
                self._check_budget()
            else:
                raise _error_of(refusal)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self) -> _Refusal | None:
        try:
            if len(self._writes) == 1:
                return await self._alone(self._writes[0])
            return await self._in_one_transaction()
        except (KeyTaken, AlreadyThere):
            return _Refusal.KEY_TAKEN

    async def _alone(self, write: Write) -> _Refusal | None:
        rows = await self._lane.run(write.statement, write.parameters)
        if not rows and write.has_address:
            rows = await self._lane.run(write.statement, write.anywhere().parameters)
        if not rows and not write.is_new and await self._brought_back(write):
            rows = await self._lane.run(write.statement, write.anywhere().parameters)
        return self._judge(write, rows)

    async def _brought_back(self, write: Write) -> bool:
        """Whether the session had been archived at the version the write was made from, and now no longer is."""
        identity = {"id": write.session, "version": write.parameters["before_version"]}
        return bool(await self._lane.run(BRING_BACK, identity))

    def _judge(self, write: Write, rows: list[Row]) -> _Refusal | None:
        """What `rows` mean: none at all where the write's version, or its key, was no longer free."""
        if rows:
            self._addresses.note(write.session, write.version, rows[0][0])
            return None
        return _Refusal.KEY_TAKEN if write.is_new else _Refusal.STALE

    async def _in_one_transaction(self) -> _Refusal | None:
        """All writes together, their rows locked first, in the one order that everybody uses."""
        existing = [write.session for write in self._writes if not write.is_new]
        try:
            async with self._lane.connection() as connection, connection.transaction():
                with self._lane.around(_LOCK_ALL):
                    await connection.execute(_LOCK_ALL, {"ids": existing}, prepare=True)
                # Updates first: one of them may give back the key that an insert takes.
                for write in sorted(self._writes, key=lambda write: write.is_new):
                    sent = write.anywhere()
                    with self._lane.around(sent.statement):
                        cursor = await connection.execute(sent.statement, sent.parameters, prepare=True, binary=True)
                    _go_on(self._judge(write, await cursor.fetchall()))
        except _RolledBack as rolled_back:
            return rolled_back.refusal
        return None

    async def _was_written_before(self) -> bool:
        """Whether an attempt whose answer was lost is what this one was refused for.

        All of a unit's changes were committed by one transaction or by none, so any one of them tells.
        """
        if self._lost_at is None:
            return False
        write = self._writes[0]
        identity: dict[str, Any] = {
            "session": write.session,
            "version": write.version,
            "change_id": write.change_id,
        }
        return bool(await self._lane.run(_WAS_WRITTEN, identity))

    def _count_conflict(self) -> None:
        self._conflicts += 1
        if self._lost_at is not None:
            self._check_budget()
        elif self._conflicts >= self._settings.commit_attempts:
            raise ConcurrentUpdate

    def _note_loss(self) -> None:
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
        self._check_budget()

    def _check_budget(self) -> None:
        if self._lost_at is not None:
            spent = asyncio.get_running_loop().time() - self._lost_at
            if spent >= self._settings.recovery_budget:
                raise OutcomeUnknown


class _RolledBack(Exception):
    """Leaves the transaction's block, and so undoes it."""

    def __init__(self, refusal: _Refusal) -> None:
        super().__init__()
        self.refusal = refusal


def _go_on(refusal: _Refusal | None) -> None:
    if refusal is not None:
        raise _RolledBack(refusal)


def _error_of(refusal: _Refusal) -> Exception:
    return StaleSession() if refusal is _Refusal.STALE else KeyTaken()
