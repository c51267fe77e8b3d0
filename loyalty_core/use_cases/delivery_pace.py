"""How fast queued deliveries may go: a trickle while the host fails, ramping up once it answers."""

import msgspec


class PacePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the pace."""

    largest_round: int = 64
    """Deliveries in flight at once, at most."""
    probe_interval: float = 1.0
    """Seconds between two tries while the host fails."""


class DeliveryPace:
    """Decides the size of the next round.

    While the host fails, one delivery is tried at a time, `probe_interval` apart: a probe. So an outage sees no
    repeats but probes, however long the queue. After a success the size doubles, up to the limit.
    """

    def __init__(self, policy: PacePolicy) -> None:
        self._policy = policy
        self._size = 1
        self._failed_at: float | None = None

    def size(self) -> int:
        """How many deliveries the next round may hold."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether it cannot go any faster: the host answers, and has been answering."""
        return self._size == self._policy.largest_round

    def pause(self, now: float) -> float:
        """Seconds to wait, from `now` (monotonic seconds), before the next round."""
        if self._failed_at is None:
            return 0.0
        return max(0.0, self._failed_at + self._policy.probe_interval - now)

    def slow_down(self) -> None:
        """The circuit is open: begin again with a single delivery once it lets one through."""
        self._size = 1

    def learn(self, now: float, *, host_failed: bool) -> None:
        """A round that had deliveries ended at `now` (monotonic seconds)."""
        if host_failed:
            self._size = 1
            self._failed_at = now
        else:
            self._failed_at = None
            self._size = min(self._policy.largest_round, self._size * 2)
