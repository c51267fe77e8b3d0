import pytest
from structlog.testing import capture_logs

from loyalty_adapters.observability.host_log import HostLog
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
