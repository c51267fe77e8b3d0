"""What the rest of the service tells, turned into metrics: its hooks, and what can only be looked at."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from loyalty_adapters.observability.metrics import Metrics
from loyalty_core.ports.delivery_queue import QueueDepth

CIRCUIT_STATES: Final = ("CLOSED", "HALF_OPEN", "OPEN")
_NEVER_SENT: Final = "not_sent"
_UNDECIDED: Final = frozenset({"not_sent", "not_judged", "refused_us", "silent"})
"""Endings that leave a call owed. What PDI decided it has its own words for, and there is no end of them."""
_STATUS: Final = re.compile(r"(token_)?http_([0-9])[0-9]*")
_USUAL: Final = frozenset({"http_500", "http_502", "http_503", "http_504", "token_http_500", "token_http_503"})

PoolStats = Callable[[], Mapping[str, int]]


class HostFeed:
    """Hears of calls to the loyalty host and of its circuits."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._states: dict[str, str] = {}

    def call_ended(self, endpoint: str, outcome: str, seconds: float, reason: str | None) -> None:
        """One call ended. Calls that were never sent count, but say nothing about the host's speed."""
        outcome = str(outcome)
        self._metrics.pdi_calls[endpoint, outcome].inc()
        if outcome in _UNDECIDED and reason is not None:
            self._metrics.pdi_failures[_bounded(reason),].inc()
        if outcome != _NEVER_SENT:
            self._metrics.pdi_seconds[endpoint,].observe(seconds)

    def circuit_changed(self, circuit: str, _old: str, new: str) -> None:
        """A circuit opened, closed, or lets a probe through."""
        self._metrics.circuit_changes[circuit, str(new)].inc()
        self.circuit_is(circuit, new)

    def circuit_is(self, circuit: str, state: str) -> None:
        """A circuit was seen in a state: an open one becomes half-open with time alone, and nobody is told."""
        state = str(state)
        if self._states.get(circuit) == state:
            return
        self._states[circuit] = state
        for other in CIRCUIT_STATES:
            self._metrics.circuits[circuit, other].set(1 if other == state else 0)

    def in_flight(self, calls: int) -> None:
        """How many calls are at the host now."""
        self._metrics.pdi_in_flight.set(calls)


def _bounded(reason: str) -> str:
    """The client's own word; of the statuses that anybody on the way may invent, the usual ones and their classes."""
    status = _STATUS.fullmatch(reason)
    return reason if status is None or reason in _USUAL else f"{status[1] or ''}http_{status[2]}xx"


class DatabaseFeed:
    """Looks at the connections of each lane."""

    def __init__(self, metrics: Metrics, lanes: Mapping[str, PoolStats]) -> None:
        self._metrics = metrics
        self._lanes = dict(lanes)

    def look(self) -> None:
        """Take the figures of this moment."""
        for lane, stats in self._lanes.items():
            figures = stats()
            self._metrics.pool_size[lane,].set(figures.get("pool_size", 0))
            self._metrics.pool_idle[lane,].set(figures.get("pool_available", 0))
            self._metrics.pool_waiting[lane,].set(figures.get("requests_waiting", 0))


class QueueFeed:
    """Hears how much is owed to the host."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def depth_is(self, depth: QueueDepth, now: datetime) -> None:
        """The queue as it is at `now`."""
        oldest = depth.oldest_intent_at
        self._metrics.queue_waiting.set(depth.waiting)
        self._metrics.queue_parked.set(depth.parked)
        self._metrics.queue_age.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))


class AnswerCacheFeed:
    """Hears what came of asking the mirror of answers."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def happened(self, event: str) -> None:
        """A hit, a miss, a failure, ...: the cache's own word for it."""
        self._metrics.answer_cache[str(event),].inc()
