"""Writing transitions: commit, tell the observer, and give way when others write faster."""

from typing import Final

from loyalty_core.domain.errors import ConcurrentUpdate, OutcomeUnknown, Overloaded, StorageUnavailable
from loyalty_core.ports.unit_of_work import CustomerSnapshot, Lane, SessionChange, StoredAnswer, UnitOfWork
from loyalty_core.ports.world import Bookkeeping

MAX_RACES: Final = 5
"""How often one call decides again because another has changed the session under it."""
_PAUSE: Final = 0.02
STORAGE_TROUBLE: Final = (ConcurrentUpdate, OutcomeUnknown, Overloaded, StorageUnavailable)
"""How a commit can end without being known to be written, for no fault of what was to be written."""


class Transitions:
    """Commits what use cases decide."""

    def __init__(self, ports: Bookkeeping) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._identifiers = ports.identifiers
        self._observer = ports.observer

    async def commit(
        self,
        *changes: SessionChange,
        lane: Lane = Lane.INTAKE,
        answer: StoredAnswer | None = None,
        snapshot: CustomerSnapshot | None = None,
    ) -> None:
        """Write them as one unit of work; raises as `SessionStore.commit` does."""
        await self._store.commit(
            UnitOfWork(changes=changes, lane=lane, answer=answer, snapshot=snapshot, trace_id=self._observer.trace_id())
        )
        for change in changes:
            self._observer.changed(change)

    async def give_way(self, races: int) -> None:
        """Pause after the `races`-th lost race, a random while that grows.

        Raises:
            ConcurrentUpdate: it was the last one allowed.
        """
        if races >= MAX_RACES:
            raise ConcurrentUpdate
        await self._clock.sleep(_PAUSE * 2**races * self._identifiers.jitter())
