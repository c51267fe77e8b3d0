import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from typing_extensions import override

from loyalty_adapters.observability.traces import TraceContext, read_traceparent
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.session import Cause, Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.job_ledger import JobRun
from loyalty_core.ports.observer import Observer, RunEnding
from loyalty_core.ports.unit_of_work import Call, SessionChange

_SENTENCES: Final = {
    Cause.IDENTIFIED: "Session opened",
    Cause.QUOTED: "Rewards calculated",
    Cause.EMPTIED: "Basket emptied",
    Cause.FINALIZE_INTENDED: "Finalize recorded",
    Cause.FINALIZED_WITHOUT_REWARDS: "Session finalized without rewards",
    Cause.HOST_ACCEPTED: "Session finalized successfully",
    Cause.HOST_REJECTED: "Finalize rejected by PDI",
    Cause.DELIVERY_AWAITED: "Finalize queued",
    Cause.PARKED: "Finalize parked for an operator",
    Cause.CANCELLED: "Session cancelled",
    Cause.EXPIRED: "Session expired",
}
_ENDINGS: Final = {
    RunEnding.DONE: "Job done",
    RunEnding.FAILED: "Job failed",
    RunEnding.PUT_OFF: "Job put off",
    RunEnding.PUT_BACK: "Job put back",
    RunEnding.LOST: "Job lost to another runner",
}
_ALARMING: Final = frozenset({Cause.PARKED, Cause.HOST_REFUSED_US})

_log = structlog.get_logger(context="SessionService")


class LoggingObserver(Observer):
    """Tells what happened in the log: on the line of the request it happened in, else on a line of its own."""

    def __init__(self, traces: TraceContext) -> None:
        self._traces = traces

    @override
    def trace_id(self) -> str | None:
        work = self._traces.current()
        return None if work is None else work.trace_id

    @override
    def origin(self) -> str | None:
        work = self._traces.current()
        return None if work is None else work.traceparent

    @override
    @contextmanager
    def delivering(self, origin: str | None) -> Iterator[None]:
        began = time.perf_counter()
        with self._traces.root("deliver", origin=origin) as work:
            try:
                yield
            finally:
                caller = read_traceparent(origin)
                facts = {**work.facts, "originTraceId": None if caller is None else caller.trace_id}
                message = facts.pop("message", None) or "Delivery tried"
                _log.info(message, duration=round((time.perf_counter() - began) * 1000, 1), **facts)

    @override
    def changed(self, change: SessionChange) -> None:
        session = change.after
        message = _SENTENCES.get(change.cause, "Session changed")
        facts = {
            **_subject(session),
            "earnedPoints": session.earned_points,
            "fromStatus": None if change.before is None else change.before.status.value,
            "toStatus": session.status.value,
            "cause": change.cause.value,
        }
        work = self._traces.current()
        if work is not None:
            # A request may make several changes; its line tells the last, and where the first began.
            facts["fromStatus"] = work.facts.get("fromStatus", facts["fromStatus"])
            work.facts.update(facts, message=message)
        if change.cause in _ALARMING:
            _log.warning(message, **facts)
        elif work is None:
            _log.info(message, **facts)

    @override
    def replayed(self, call: Call, session: Session) -> None:
        work = self._traces.current()
        if work is not None:
            work.facts.update(_subject(session), message=f"Answer of {call.value} repeated")

    @override
    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        _log.warning(
            "PDI quotes other points",
            **_subject(session),
            ours=quote.ours.earned_points,
            difference=quote.disagreement,
        )

    @override
    def booked_otherwise(self, session: Session) -> None:
        intended = None if session.intent is None else session.intent.quote.earned_points
        _log.warning(
            "PDI booked other points", **_subject(session), earnedPoints=session.earned_points, intended=intended
        )

    @override
    def outcome_not_recorded(self, session: Session) -> None:
        _log.error("PDI was asked and what came of it could not be written", **_subject(session))

    @override
    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        _log.warning("PDI's books differ", sessionId=format_session_id(session), difference=kind.value)

    @override
    @contextmanager
    def running(self, run: JobRun) -> Iterator[None]:
        with self._traces.root(f"job {run.job.value}"):
            yield

    @override
    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        facts: dict[str, Any] = {
            "context": "Jobs",
            "duration": round(seconds * 1000, 1),
            "job": run.job.value,
            "tick": run.tick.isoformat(),
            "ticks": run.ticks,
            "scheduled": run.scheduled,
            "attempt": run.attempts,
            "counts": run.counts,
        }
        if run.error is not None:
            facts["error"] = run.error
        message = _ENDINGS[ending]
        if ending is RunEnding.FAILED:
            _log.error(message, **facts)
        elif ending in {RunEnding.PUT_OFF, RunEnding.LOST}:
            _log.warning(message, **facts)
        else:
            _log.info(message, **facts)


def _subject(session: Session) -> dict[str, str | int | float | bool | None]:
    return {"sessionId": format_session_id(session.id), "customerId": session.customer}
