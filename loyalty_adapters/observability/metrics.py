"""The metrics there are. Every label takes its values from a small set of our own; none ever holds an id or a path."""

import platform
from collections.abc import Callable, Mapping
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_WAITS: Final = (0.005, 0.01, 0.025, 0.1, 0.5, 3.5, 5.5, 8.5, 10.5)
"""Milliseconds where we answer alone; then what the calls may take with PDI: 3, 5, 8 and 10 seconds, and our slack."""
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_UNTIMED: Final = frozenset({"unmatched", "/metrics", "/health", "/health/ready", "/health/live"})
_STATUS_CLASSES: Final = {hundred: f"{hundred}xx" for hundred in range(1, 6)}

_COMMON: Final = "livemostrecent"
"""What every process sees alike."""

FamilyT = TypeVar("FamilyT", Counter, Gauge, Histogram)
Mode: TypeAlias = Literal["livesum", "livemax", "livemin", "livemostrecent"]


class Labelled(dict[tuple[str, ...], FamilyT], Generic[FamilyT]):
    """A metric's children by their label values, each made when first asked for and kept.

    Looking one up in the library costs as much as counting with it.
    """

    def __init__(self, family: FamilyT) -> None:
        super().__init__()
        self._child: Callable[..., FamilyT] = family.labels

    def __missing__(self, labels: tuple[str, ...]) -> FamilyT:
        child = self[labels] = self._child(*labels)
        return child


class Metrics:
    """All metrics of this process, made once. A method here costs a microsecond or two, and never raises."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        make = _Maker(registry)
        built = make.gauge("build_info", "What is running; always 1.", "version", "python", mode="livemax")
        built.labels(version, platform.python_version()).set(1)

        self.http_seconds = Labelled(make.histogram("http_request_duration_seconds", "Time to answer.", "route"))
        self.http_requests = Labelled(make.counter("http_requests", "Requests answered.", "method", "route", "status"))

        self.pdi_seconds = Labelled(
            make.histogram("pdi_call_duration_seconds", "Time of calls that were sent to PDI.", "endpoint")
        )
        self.pdi_calls = Labelled(make.counter("pdi_calls", "Calls to PDI by how they ended.", "endpoint", "outcome"))
        self.pdi_failures = Labelled(
            make.counter("pdi_failures", "Calls to PDI that it has not decided, by what went wrong.", "reason")
        )
        self.pdi_in_flight = make.gauge("pdi_calls_in_flight", "Calls at PDI now.")
        self.circuits = Labelled(make.gauge("circuit_state", "Processes whose circuit is so.", "circuit", "state"))
        self.circuit_changes = Labelled(
            make.counter("circuit_transitions", "Changes of circuits, by the state they entered.", "circuit", "to")
        )

        self.queue_waiting = make.gauge("delivery_queue_waiting", "Sessions owed to PDI.", mode=_COMMON)
        self.queue_parked = make.gauge("delivery_queue_parked", "Sessions that wait for an operator.", mode=_COMMON)
        self.queue_age = make.gauge("delivery_queue_oldest_age_seconds", "Age of the oldest owed intent.", mode=_COMMON)

        self.transitions = Labelled(
            make.counter("session_transitions", "Committed changes of sessions.", "from", "to", "cause")
        )
        self.points = Labelled(make.counter("points", "Points booked, by what was done with them.", "kind"))
        self.disagreements = make.counter("quote_disagreements", "Quotes for which PDI's figure differs from ours.")
        self.disagreement_points = make.counter("quote_disagreement_points", "By how many points, in total.")
        self.booked_otherwise = make.counter("booked_otherwise", "Sales that PDI booked with other points.")
        self.outcomes_not_recorded = make.counter("outcomes_not_recorded", "Outcomes that could not be written.")
        self.replays = Labelled(make.counter("replays", "Repeated calls given the answer of record.", "call"))

        self.pool_size = Labelled(make.gauge("database_connections", "Connections in the pool.", "lane"))
        self.pool_idle = Labelled(make.gauge("database_connections_idle", "Those not at work.", "lane"))
        self.pool_waiting = Labelled(make.gauge("database_waiting", "Calls that wait for a connection.", "lane"))
        self.answer_cache = Labelled(
            make.counter("answer_cache_events", "What came of asking the mirror of answers.", "event")
        )

        # Not a label `job`: Prometheus has one of its own, the name of the scrape, and would rename ours.
        self.job_runs = Labelled(make.counter("job_runs", "Ended runs of jobs.", "job_name", "outcome"))
        self.job_seconds = Labelled(make.counter("job_run_seconds", "Time that runs of jobs took.", "job_name"))
        self.job_items = Labelled(
            make.counter("job_items", "What the runs of jobs that ended came to.", "job_name", "kind")
        )
        self.job_ended = Labelled(
            make.gauge("job_last_success_timestamp_seconds", "When a job last succeeded.", "job_name", mode="livemax")
        )
        self.findings = Labelled(make.counter("reconciliation_findings", "Differences from PDI's books.", "kind"))
        self.calls_at_work = make.gauge("calls_at_work", "Calls that are worked on, not waiting for PDI.")
        self.calls_waiting = make.gauge("calls_waiting", "Calls that wait for their turn.")
        self.calls_shed = Labelled(make.counter("calls_shed", "Calls sent away before any work, by why.", "why"))
        self.limits_shared = make.gauge(
            "rate_limits_shared", "Whether rate limits hold over all processes: 1, or 0 in each alone.", mode="livemin"
        )
        self.limits_shared.set(1)
        self.limits_alone = make.counter("rate_limits_alone", "Calls counted by a process alone, without Redis.")
        self.rate_limited = Labelled(make.counter("rate_limited", "Calls turned away for their rate.", "by"))

        self.dependencies = Labelled(
            make.gauge("dependency_up", "Whether a dependency answers: 1, 0.5 degraded, 0.", "name", mode="livemin")
        )
        self.loop_lag = make.gauge("event_loop_lag_seconds", "How late the event loop last was.", mode="livemax")

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is the template that matched; times are kept for those of the API."""
        if route not in _UNTIMED:
            self.http_seconds[route,].observe(seconds)
        known = method if method in _METHODS else "OTHER"
        self.http_requests[known, route, _STATUS_CLASSES.get(status // 100, "other")].inc()

    def rate_limit_hit(self, by: str) -> None:
        """A call was turned away. `by` names the limit: of a client, or of an address."""
        self.rate_limited[by,].inc()

    def job_run_ended(self, job: str, outcome: str, seconds: float, succeeded_at: float | None) -> None:
        """A run of a job ended; `succeeded_at` (epoch seconds) where it did what it should."""
        self.job_runs[job, outcome].inc()
        self.job_seconds[job,].inc(max(0.0, seconds))
        if succeeded_at is not None:
            self.job_ended[job,].set(succeeded_at)

    def job_items_counted(self, job: str, counts: Mapping[str, int]) -> None:
        """What a run that has ended came to: how many of what, in the job's own few words."""
        for kind, count in counts.items():
            self.job_items[job, kind].inc(count)

    def reconciliation_found(self, kind: str) -> None:
        """A session and PDI's books differ."""
        self.findings[kind,].inc()


class _Maker:
    """Makes metrics of one namespace in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, namespace="loyalty", registry=self._registry)

    def gauge(self, name: str, meaning: str, *labels: str, mode: Mode = "livesum") -> Gauge:
        return Gauge(name, meaning, labels, namespace="loyalty", registry=self._registry, multiprocess_mode=mode)

    def histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, namespace="loyalty", registry=self._registry, buckets=_WAITS)
