"""What reached the simulator, so that a test can say how often it was called and with which headers."""

from collections import Counter, defaultdict, deque
from typing import Any, Final

from loyalty_adapters.pdi_simulator.entries import instant
from loyalty_adapters.pdi_simulator.messages import Request

MAX_RECENT: Final = 10_000


class Call:
    """One call as it arrived, and what became of it. Neither tokens nor bodies are kept."""

    __slots__ = ("at", "endpoint", "fault", "idempotency_key", "status", "traceparent")

    def __init__(self, endpoint: str, request: Request, at: int) -> None:
        self.endpoint = endpoint
        self.at = at
        self.idempotency_key = request.headers.get("idempotency-key")
        self.traceparent = request.headers.get("traceparent")
        self.fault: str | None = None
        self.status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The call as the control API lists it; `status` is null where no whole reply was sent (yet)."""
        return {
            "endpoint": self.endpoint,
            "at": instant(self.at),
            "idempotencyKey": self.idempotency_key,
            "traceparent": self.traceparent,
            "fault": self.fault,
            "status": self.status,
        }


class Stats:
    """Counters by endpoint since the start or the last reset."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Starts counting afresh; calls still in flight are forgotten."""
        self._calls: Counter[str] = Counter()
        self._statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._in_flight: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()
        self._recent: deque[Call] = deque(maxlen=MAX_RECENT)

    def arrived(self, call: Call) -> None:
        """Counts a call the moment it is whole."""
        endpoint = call.endpoint
        self._calls[endpoint] += 1
        self._in_flight[endpoint] += 1
        self._peak[endpoint] = max(self._peak[endpoint], self._in_flight[endpoint])
        self._recent.append(call)

    def ended(self, call: Call, status: int | None) -> None:
        """Counts how it ended; None means cut, reset, never answered, or answered by something unlike a reply."""
        call.status = status
        self._statuses[call.endpoint]["none" if status is None else str(status)] += 1
        if self._in_flight[call.endpoint] > 0:
            self._in_flight[call.endpoint] -= 1

    def as_json(self, recent: int) -> dict[str, Any]:
        """The counters, and the last `recent` calls, oldest first."""
        log = list(self._recent)[-recent:] if recent else []
        return {
            "calls": dict(self._calls),
            "statuses": {endpoint: dict(counts) for endpoint, counts in self._statuses.items()},
            "inFlight": +self._in_flight,
            "peakInFlight": dict(self._peak),
            "recent": [call.as_json() for call in log],
        }
