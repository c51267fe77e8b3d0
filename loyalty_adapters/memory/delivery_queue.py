from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_returns import attempt_return, first_owed
from loyalty_core.ports.delivery_queue import QueueDepth
from loyalty_core.ports.session_store import Loaded

_DUE_SOON: Final = timedelta(seconds=5)
_POLL: Final = 0.5


class MemoryDeliveryQueue:
    """The `DeliveryQueue` port over the sessions of a `MemorySessions`."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def claim_due(self, limit: int, lease: timedelta) -> tuple[Loaded, ...]:
        """See `DeliveryQueue.claim_due`."""
        now = self._sessions.clock.now()
        owed = self._owed()
        due = [
            session
            for position, (session, delivery) in enumerate(owed)
            if _is_due(delivery, now)
            and not any(
                older.customer == session.customer and _holds_up(its_delivery, now)
                for older, its_delivery in owed[:position]
            )
        ]
        claimed = []
        for session in due[:limit]:
            leased = _leased(session, now + lease)
            self._sessions.replace(leased)
            found = await self._sessions.find(leased.id)
            if found is not None:
                claimed.append(msgspec.structs.replace(found, now=now))
        return tuple(claimed)

    async def depth(self) -> QueueDepth:
        """See `DeliveryQueue.depth`."""
        owed = self._owed()
        firsts = [first_owed(session) for session in self._sessions.all()]
        parked = sum(first is not None and first[1].parked_at is not None for first in firsts)
        return QueueDepth(waiting=len(owed), parked=parked, oldest_intent_at=owed[0][1].begun_at if owed else None)

    async def wait(self, seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        await self._sessions.clock.sleep(min(seconds, _POLL))

    def _owed(self) -> list[tuple[Session, Delivery]]:
        """What waits for a worker, oldest intent first."""
        firsts = [(session, first_owed(session)) for session in self._sessions.all()]
        owed = [
            (session, first[1])
            for session, first in firsts
            if first is not None and first[1].next_attempt_at is not None and first[1].parked_at is None
        ]
        return sorted(owed, key=lambda entry: (entry[1].begun_at, entry[0].id))


def _leased(session: Session, until: datetime) -> Session:
    first = first_owed(session)
    if first is None:
        return session
    return_id, delivery = first
    claimed = delivery.claim(until)
    return session.attempt(claimed) if return_id is None else attempt_return(session, return_id, claimed)


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.next_attempt_at is not None and delivery.next_attempt_at <= now


def _holds_up(delivery: Delivery, now: datetime) -> bool:
    """Whether a younger sale of the same customer has to wait for this one."""
    return delivery.is_claimed(now) or _is_due(delivery, now + _DUE_SOON)
