"""How patient settlement is: leases, pauses, and when an operator is asked."""

from datetime import datetime, timedelta

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.ports.identifier_source import IdentifierSource


class SettlementPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may decide about it."""

    grace: timedelta = timedelta(seconds=2)
    """How long after its deadline a call still owns the session it was at work on."""
    backoff_base: float = 1.0
    backoff_cap: float = 45.0
    """Seconds; the n-th pause is random between 0 and ``min(cap, base * 2^n)`` (full jitter)."""
    park_after: timedelta = timedelta(hours=24)
    """How long an outcome may stay unknown before an operator is asked."""


class Patience:
    """The times that a policy and chance come to."""

    def __init__(self, policy: SettlementPolicy, identifiers: IdentifierSource) -> None:
        self._policy = policy
        self._identifiers = identifiers

    def lease_for(self, read: datetime, left: float) -> datetime:
        """Until when a call owns a session that it has read at `read`, by the store's clock.

        `left` is what the call had left, in seconds, before it asked: while the answer was under way the store's clock
        went on, and a lease must never end before the call that holds it.
        """
        return read + timedelta(seconds=left) + self._policy.grace

    def retry_at(self, now: datetime, attempts: int, at_least: float = 0.0) -> datetime:
        """When to try again after `attempts` tries: exponential, capped, with full jitter."""
        ceiling = min(self._policy.backoff_cap, self._policy.backoff_base * 2 ** min(attempts, 32))
        return now + timedelta(seconds=max(at_least, ceiling * self._identifiers.jitter()))

    def has_ended(self, delivery: Delivery, now: datetime) -> bool:
        """Whether an outcome has been unknown for so long that an operator is asked."""
        return now - delivery.begun_at >= self._policy.park_after
