from datetime import datetime, timedelta
from typing import Final

import msgspec

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.session import Session
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
            (session, delivery)
            for position, (session, delivery) in enumerate(owed)
            if _is_due(delivery, now)
            and not any(
                older.customer == session.customer and _holds_up(its_delivery, now)
                for older, its_delivery in owed[:position]
            )
        ]
        claimed = []
        for session, delivery in due[:limit]:
            leased = msgspec.structs.replace(session, version=session.version + 1, delivery=delivery.claim(now + lease))
            self._sessions.replace(leased)
            found = await self._sessions.find(leased.id)
            if found is not None:
                claimed.append(msgspec.structs.replace(found, now=now))
        return tuple(claimed)

    async def depth(self) -> QueueDepth:
        """See `DeliveryQueue.depth`."""
        owed = self._owed()
        parked = sum(
            session.delivery is not None and session.delivery.parked_at is not None for session in self._sessions.all()
        )
        return QueueDepth(waiting=len(owed), parked=parked, oldest_intent_at=owed[0][1].begun_at if owed else None)

    async def wait(self, seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        await self._sessions.clock.sleep(min(seconds, _POLL))

    def _owed(self) -> list[tuple[Session, Delivery]]:
        """What waits for a worker, oldest intent first."""
        owed = [
            (session, session.delivery)
            for session in self._sessions.all()
            if session.delivery is not None
            and session.delivery.next_attempt_at is not None
            and session.delivery.parked_at is None
        ]
        return sorted(owed, key=lambda entry: (entry[1].begun_at, entry[0].id))


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.next_attempt_at is not None and delivery.next_attempt_at <= now


def _holds_up(delivery: Delivery, now: datetime) -> bool:
    """Whether a younger sale of the same customer has to wait for this one."""
    return delivery.is_claimed(now) or _is_due(delivery, now + _DUE_SOON)
