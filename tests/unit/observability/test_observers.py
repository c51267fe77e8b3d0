from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from structlog.testing import capture_logs
from typing_extensions import override

from loyalty_adapters.observability.observer import LoggingObserver
from loyalty_adapters.observability.observers import Observers
from loyalty_adapters.observability.traces import TraceContext
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.job_ledger import JobRun
from loyalty_core.ports.observer import NullObserver, RunEnding
from loyalty_core.ports.unit_of_work import Call, SessionChange
from tests.unit.observability.job_runs import RUN
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

    @override
    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        self.heard.append("difference_found")

    @override
    @contextmanager
    def running(self, run: JobRun) -> Iterator[None]:
        self.heard.append("running")
        yield

    @override
    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        self.heard.append("run_ended")


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
    all_of_them.difference_found(ACTIVE.id, DifferenceKind.DOUBLED)
    news = [
        "changed", "replayed", "quotes_disagreed", "booked_otherwise", "outcome_not_recorded", "difference_found"
    ]  # fmt: skip
    assert [news, news] == [first.heard, second.heard]
    assert "t-1" == all_of_them.trace_id()


def test_a_difference_is_told_in_one_line() -> None:
    """Which session, and what it is; no points and no customer."""
    with capture_logs() as lines:
        LoggingObserver(TraceContext()).difference_found(ACTIVE.id, DifferenceKind.DOUBLED)
    (line,) = lines
    assert ("warning", format_session_id(ACTIVE.id), "doubled") == (
        line["log_level"], line["sessionId"], line["difference"]
    )  # fmt: skip


def test_a_run_is_within_one_trace() -> None:
    """Its part of a run is opened by the first alone; how it ended all hear."""
    first, second = Ear("t-1"), Ear("t-2")
    all_of_them = Observers(first, second)
    with all_of_them.running(RUN):
        all_of_them.run_ended(RUN, RunEnding.DONE, 1.5)
    assert [["running", "run_ended"], ["run_ended"]] == [first.heard, second.heard]


def ended(ending: RunEnding, **fields: Any) -> Any:
    """The line of log of a run that ended so, told from within it."""
    observer = LoggingObserver(TraceContext())
    before = observer.trace_id()
    with capture_logs() as lines, observer.running(RUN):
        trace = observer.trace_id()
        observer.run_ended(msgspec.structs.replace(RUN, **fields), ending, 1.5)
    assert trace not in {None, before}
    assert before == observer.trace_id()
    (line,) = lines
    return line


def test_each_run_of_a_job_is_told_in_one_line() -> None:
    """Which job, which tick, how it ended, how long it took, what came of it; louder where it went wrong."""
    line = ended(RunEnding.DONE, counts={"expired": 7}, ticks=2)
    assert {
        "event": "Job done", "log_level": "info", "context": "Jobs", "duration": 1500.0, "job": "expire-sessions",
        "tick": "2026-11-23T10:00:00+00:00", "ticks": 2, "scheduled": True, "attempt": 1, "counts": {"expired": 7},
    } == line  # fmt: skip
    failed = ended(RunEnding.FAILED, error="overloaded: busy")
    assert ("Job failed", "error", "overloaded: busy") == (failed["event"], failed["log_level"], failed["error"])
    assert ["warning", "warning", "info"] == [
        ended(ending)["log_level"] for ending in (RunEnding.PUT_OFF, RunEnding.LOST, RunEnding.PUT_BACK)
    ]


def test_a_fault_in_one_stays_there() -> None:
    """What was told has been committed: a faulty observer is logged without its words, and the next one still hears."""
    last = Ear()
    with capture_logs() as lines:
        Observers(Ear(), Faulty(), last).changed(CHANGE)
    assert ["changed"] == last.heard
    assert [("An observer failed", "RuntimeError")] == [(line["event"], line["error"]) for line in lines]
    assert "Ada" not in str(lines)
