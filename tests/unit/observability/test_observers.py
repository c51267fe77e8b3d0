from structlog.testing import capture_logs
from typing_extensions import override

from loyalty_adapters.observability.observers import Observers
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.unit_of_work import Call, SessionChange
from tests.unit.session.examples import ACTIVE, QUOTE

CHANGE = SessionChange(before=None, after=ACTIVE, cause=Cause.IDENTIFIED)


class Ear(NullObserver):
    """Remembers what it was told."""

    def __init__(self, trace: str | None = None) -> None:
        self.heard: list[str] = []
        self._trace = trace

    @override
    def trace_id(self) -> str | None:
        return self._trace

    @override
    def changed(self, change: SessionChange) -> None:
        self.heard.append("changed")

    @override
    def replayed(self, call: Call, session: Session) -> None:
        self.heard.append("replayed")

    @override
    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        self.heard.append("quotes_disagreed")

    @override
    def booked_otherwise(self, session: Session) -> None:
        self.heard.append("booked_otherwise")

    @override
    def outcome_not_recorded(self, session: Session) -> None:
        self.heard.append("outcome_not_recorded")


class Faulty(Ear):
    """Fails, with a customer's name in its error."""

    @override
    def changed(self, change: SessionChange) -> None:
        raise RuntimeError("Ada Lovelace")


def test_each_hears_everything() -> None:
    """All news reach all observers, and the first one knows the trace."""
    first, second = Ear("t-1"), Ear("t-2")
    all_of_them = Observers(first, second)
    all_of_them.changed(CHANGE)
    all_of_them.replayed(Call.FINALIZE, ACTIVE)
    all_of_them.quotes_disagreed(ACTIVE, QUOTE)
    all_of_them.booked_otherwise(ACTIVE)
    all_of_them.outcome_not_recorded(ACTIVE)
    news = ["changed", "replayed", "quotes_disagreed", "booked_otherwise", "outcome_not_recorded"]
    assert [news, news] == [first.heard, second.heard]
    assert "t-1" == all_of_them.trace_id()


def test_a_fault_in_one_stays_there() -> None:
    """What was told has been committed: a faulty observer is logged without its words, and the next one still hears."""
    last = Ear()
    with capture_logs() as lines:
        Observers(Ear(), Faulty(), last).changed(CHANGE)
    assert ["changed"] == last.heard
    assert [("An observer failed", "RuntimeError")] == [(line["event"], line["error"]) for line in lines]
    assert "Ada" not in str(lines)
