"""Metrics to which everything has happened that can."""

from datetime import timedelta
from typing import Final

from loyalty_adapters.observability.exposition import MetricsRegistry
from loyalty_adapters.observability.metrics import Metrics
from loyalty_adapters.observability.metrics_feeds import AnswerCacheFeed, DatabaseFeed, HostFeed, QueueFeed
from loyalty_adapters.pdi import CircuitState, Outcome
from loyalty_adapters.redis.answer_cache import CacheEvent
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.session import Cause
from loyalty_core.ports.delivery_queue import QueueDepth
from loyalty_core.ports.job_ledger import JobName
from loyalty_core.ports.observer import RunEnding
from loyalty_core.ports.unit_of_work import Call
from loyalty_web.admission import FULL, LATE
from loyalty_web.rate_limits import ADDRESS, CLIENT
from tests.unit.session.examples import NOW

ROUTES: Final = ("/identify", "/calculateRewards", "/finalize", "/getSessionStatus", "/cancel", "/return", "/sessions")
ENDPOINTS: Final = ("identify", "calculateRewards", "finalize", "getSessionStatus", "return")
REASONS: Final = (
    "timed_out", "connection_lost", "truncated_answer", "garbled_answer", "unreadable_answer", "oversized_answer",
    "compressed_answer", "exchange_failed", "connection_refused", "connection_timed_out", "name_not_resolved",
    "tls_failed", "refused_without_code", "rate_limited", "circuit_open", "bulkhead_full", "budget_spent",
    "budget_too_small", "fresh_token_refused", "credentials_refused", "token_timed_out", "token_unreadable",
    "token_circuit_open", "token_connection_refused", "token_connection_lost", "token_http_503", "http_302", "http_408",
    "http_500", "http_502", "http_503", "http_504",
)  # fmt: skip


def exercised_registry() -> MetricsRegistry:
    registry = MetricsRegistry()
    metrics = Metrics(registry.own, version="1.2.3")
    for route in ROUTES:
        for status in (200, 404, 503):
            metrics.request_answered("POST", route, status, 0.02)
    for route in ("/health", "/health/ready", "/health/live", "/metrics", "unmatched"):
        metrics.request_answered("GET", route, 200, 0.001)
    _exercise_host(metrics)
    cache = AnswerCacheFeed(metrics)
    for event in CacheEvent:
        cache.happened(event)
    DatabaseFeed(metrics, {"intake": _pool, "outcome": _pool}).look()
    QueueFeed(metrics).depth_is(QueueDepth(waiting=3, parked=1, oldest_intent_at=NOW - timedelta(minutes=1)), NOW)
    for cause in Cause:
        metrics.transitions["calculated", "finalizing", cause.value].inc()
    for call in Call:
        metrics.replays[call.value,].inc()
    for kind in ("earned", "redeemed", "reversed", "restored"):
        metrics.points[kind,].inc(7)
    for job in JobName:
        metrics.job_run_ended(job.value, RunEnding.DONE.value, 1.5, NOW.timestamp())
        metrics.job_run_ended(job.value, RunEnding.FAILED.value, 1.5, None)
    metrics.reconciliation_found(DifferenceKind.MISSING_AT_HOST.value)
    _exercise_limits(metrics)
    for name in ("database", "redis", "pdi"):
        metrics.dependencies[name,].set(1)
    return registry


def _exercise_limits(metrics: Metrics) -> None:
    for by in (CLIENT, ADDRESS):
        metrics.rate_limit_hit(by)
    for why in (FULL, LATE):
        metrics.calls_shed[why,].inc()


def _exercise_host(metrics: Metrics) -> None:
    host = HostFeed(metrics)
    for endpoint in ENDPOINTS:
        for outcome in Outcome:
            host.call_ended(endpoint, outcome, 0.2, None if outcome is Outcome.ACCEPTED else "timed_out")
    for reason in REASONS:
        host.call_ended("finalize", Outcome.SILENT, 0.2, reason)
    for circuit in ("pdi", "pdi_token"):
        host.circuit_changed(circuit, CircuitState.CLOSED, CircuitState.OPEN)
        host.circuit_is(circuit, CircuitState.HALF_OPEN)
        host.circuit_changed(circuit, CircuitState.HALF_OPEN, CircuitState.CLOSED)


def _pool() -> dict[str, int]:
    return {"pool_size": 8, "pool_available": 5, "requests_waiting": 0}
