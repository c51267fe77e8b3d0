from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loyalty_adapters.observability.exposition import MetricsRegistry
from loyalty_adapters.observability.metrics import Metrics
from loyalty_adapters.observability.metrics_feeds import HostFeed
from loyalty_adapters.pdi import Outcome
from tests.unit.observability.exercised import exercised_registry
from tests.unit.observability.prometheus_rules import faults

_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
_MOST_BYTES: Final = 28_000


def test_every_metric_keeps_to_the_conventions() -> None:
    """Whatever has happened, the exposition is valid OpenMetrics: names, units, HELP, and labels with a bound."""
    text = exercised_registry().expose(_OPENMETRICS).body.decode()
    assert [] == faults(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# TYPE other gauge\n# HELP other X.\nother 1\n# EOF\n", "not a name of ours"),
        ("# TYPE loyalty_x gauge\nloyalty_x 1\n# EOF\n", "no HELP"),
        ('# TYPE loyalty_x gauge\n# HELP loyalty_x X.\nloyalty_x{path="a"} 1\n# EOF\n', "has no bound"),
        ('# TYPE loyalty_x gauge\n# HELP loyalty_x X.\nloyalty_x{to="sess_1"} 1\n# EOF\n', "looks like an id"),
        ("# TYPE loyalty_x_ms gauge\n# HELP loyalty_x_ms X.\nloyalty_x_ms 1\n# EOF\n", "base unit"),
        ("# TYPE loyalty_x_total gauge\n# HELP loyalty_x_total X.\nloyalty_x_total 1\n# EOF\n", "another type"),
    ],
)
def test_the_rules_find_what_they_are_for(text: str, fault: str) -> None:
    """The check above can fail: each of its rules is broken here once."""
    assert any(fault in found for found in faults(text))


def test_a_scrape_stays_small() -> None:
    """With every combination of labels there can be, more than ever happens in one process, it is under 28 KB."""
    assert len(exercised_registry().expose().body) < _MOST_BYTES


def test_both_formats_tell_the_same() -> None:
    """A scraper that knows only Prometheus's own format gets the same families."""
    registry = exercised_registry()
    plain = registry.expose("text/plain")
    assert plain.content_type.startswith("text/plain")
    assert registry.expose(_OPENMETRICS).content_type.startswith("application/openmetrics-text")
    names = {family.name for family in text_string_to_metric_families(plain.body.decode())}
    assert {"loyalty_http_requests", "loyalty_pdi_calls", "loyalty_points", "loyalty_job_runs"} <= names


def test_labels_that_strangers_choose_are_bounded() -> None:
    """A thousand invented methods, statuses and paths make no more series than one."""
    registry = MetricsRegistry()
    metrics = Metrics(registry.own, version="1")
    for number in range(1000):
        metrics.request_answered(f"METHOD{number}", "unmatched", 10_000 + number, 0.1)
    text = registry.expose().body.decode()
    assert 'loyalty_http_requests_total{method="OTHER",route="unmatched",status="other"} 1000.0' in text
    assert 1 == text.count("loyalty_http_requests_total{")


def test_calls_that_were_not_sent_say_nothing_about_speed() -> None:
    """An open circuit answers in microseconds; that must not make PDI look fast."""
    text = exercised_registry().expose().body.decode()
    assert 'loyalty_pdi_calls_total{endpoint="identify",outcome="not_sent"} 1.0' in text
    assert 'loyalty_pdi_call_duration_seconds_count{endpoint="identify"} 6.0' in text


def test_a_failure_tells_its_cause() -> None:
    """What PDI has not decided is counted by the word for why; statuses anybody may invent, by their class."""
    registry = MetricsRegistry()
    host = HostFeed(Metrics(registry.own, version="1"))
    host.call_ended("finalize", Outcome.REJECTED, 0.1, "no_end_of_these_words")
    host.call_ended("finalize", Outcome.SILENT, 10.0, "timed_out")
    for status in range(500, 600):
        host.call_ended("finalize", Outcome.SILENT, 0.1, f"http_{status}")
        host.call_ended("finalize", Outcome.NOT_SENT, 0.1, f"token_http_{status}")
    lines = registry.expose().body.decode().splitlines()
    assert {
        'loyalty_pdi_failures_total{reason="timed_out"} 1.0',
        'loyalty_pdi_failures_total{reason="http_500"} 1.0',
        'loyalty_pdi_failures_total{reason="http_502"} 1.0',
        'loyalty_pdi_failures_total{reason="http_503"} 1.0',
        'loyalty_pdi_failures_total{reason="http_504"} 1.0',
        'loyalty_pdi_failures_total{reason="http_5xx"} 96.0',
        'loyalty_pdi_failures_total{reason="token_http_500"} 1.0',
        'loyalty_pdi_failures_total{reason="token_http_503"} 1.0',
        'loyalty_pdi_failures_total{reason="token_http_5xx"} 98.0',
    } == {line for line in lines if line.startswith("loyalty_pdi_failures_total")}


def test_a_circuit_is_in_one_state() -> None:
    """Of the three states exactly one is 1, whether it was told or seen."""
    text = exercised_registry().expose().body.decode()
    states = [line for line in text.splitlines() if line.startswith('loyalty_circuit_state{circuit="pdi",')]
    assert [
        'loyalty_circuit_state{circuit="pdi",state="CLOSED"} 1.0',
        'loyalty_circuit_state{circuit="pdi",state="HALF_OPEN"} 0.0',
        'loyalty_circuit_state{circuit="pdi",state="OPEN"} 0.0',
    ] == states
    assert 'loyalty_circuit_transitions_total{circuit="pdi",to="OPEN"} 1.0' in text


def test_the_queue_tells_its_age() -> None:
    """Depth, parked and the age of the oldest, in seconds."""
    lines = exercised_registry().expose().body.decode().splitlines()
    assert "loyalty_delivery_queue_waiting 3.0" in lines
    assert "loyalty_delivery_queue_parked 1.0" in lines
    assert "loyalty_delivery_queue_oldest_age_seconds 60.0" in lines
