import pytest
from structlog.testing import capture_logs

from loyalty_adapters.observability.host_log import HostLog
from loyalty_adapters.observability.traces import TraceContext
from loyalty_adapters.pdi import Outcome


@pytest.mark.parametrize(
    ("outcome", "reason", "level"),
    [
        (Outcome.ACCEPTED, None, "info"),
        (Outcome.REJECTED, "insufficient_points", "info"),
        (Outcome.SILENT, "http_503", "warning"),
        (Outcome.NOT_SENT, "token_http_503", "warning"),
        (Outcome.REFUSED_US, "credentials_refused", "warning"),
        (Outcome.NOT_SENT, "circuit_open", "info"),
    ],
)
def test_a_line_tells_why_and_warns_of_what_is_news(outcome: Outcome, reason: str | None, level: str) -> None:
    """A call that failed says in one word why, as a warning; what an open circuit held back is no news each time."""
    with capture_logs() as lines:
        HostLog.call_ended("finalize", outcome, 0.5, reason)

    why = {} if reason is None else {"reason": reason}
    told = {"endpoint": "finalize", "outcome": str(outcome), "duration": 500.0, **why}
    expected = {"event": "PDI called", "context": "PdiClient", "log_level": level, **told}
    assert [expected] == lines


def test_what_is_routine_is_told_with_the_work_it_was_for() -> None:
    """No line of its own; its time is added up, and what went wrong has a line all the same."""
    work = TraceContext().begin()
    with capture_logs() as lines:
        HostLog.call_ended("identify", Outcome.ACCEPTED, 0.5, None, work)
        assert [] == lines
        HostLog.call_ended("finalize", Outcome.SILENT, 0.25, "timed_out", work)
    assert ["PDI called"] == [line["event"] for line in lines]
    assert {"pdiDuration": 750.0, "pdiOutcome": "silent"} == work.facts
