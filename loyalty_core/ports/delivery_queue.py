from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from loyalty_core.ports.session_store import Loaded


class QueueDepth(msgspec.Struct, frozen=True, kw_only=True):
    """How much is owed to the host."""

    waiting: int
    parked: int
    oldest_intent_at: datetime | None
    """When the oldest intent that is neither settled nor parked was made."""


class DeliveryQueue(Protocol):
    """The sessions that owe the host something. There is no second record: a `finalizing` session is its own entry,
    and so is a return that is `accepted`.
    """

    async def claim_due(self, limit: int, lease: timedelta) -> tuple[Loaded, ...]:
        """Up to `limit` sessions that are due, leased to the caller: no other worker gets them before the lease ends.

        A session is due when the `next_attempt_at` of its sale, or of the first return that its settled sale still
        owes, has passed by the store's clock and that delivery is not parked; the lease is on that delivery. So a sale
        goes before its returns, and a return before later ones. Oldest intent first; of one customer only the oldest,
        and none while an older one of that customer is claimed or due within a few seconds (one in a long back-off,
        or parked, holds nobody up). Each returned session is at the version the claim has made. Rows locked by others
        are skipped, never waited for.
        """
        ...

    async def depth(self) -> QueueDepth:
        """How much is waiting and parked."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when work may have become due, or after `seconds`, whichever is first."""
        ...
