from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import structlog
from typing_extensions import override

from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.job_ledger import JobRun
from loyalty_core.ports.observer import Observer, RunEnding
from loyalty_core.ports.unit_of_work import Call, SessionChange

_log = structlog.get_logger(context="Observers")


class Observers(Observer):
    """Several observers as one. The first of them knows the trace.

    What they are told has been committed already. A fault in one of them is logged, and neither keeps the others from
    hearing of it nor turns a sale that is booked into an error.
    """

    def __init__(self, first: Observer, *others: Observer) -> None:
        self._first = first
        self._all = (first, *others)

    @override
    def trace_id(self) -> str | None:
        return self._first.trace_id()

    @override
    def origin(self) -> str | None:
        return self._first.origin()

    @override
    def delivering(self, origin: str | None) -> AbstractContextManager[object]:
        return self._first.delivering(origin)

    @override
    def changed(self, change: SessionChange) -> None:
        for observer in self._all:
            _tell(observer.changed, change)

    @override
    def replayed(self, call: Call, session: Session) -> None:
        for observer in self._all:
            _tell(observer.replayed, call, session)

    @override
    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        for observer in self._all:
            _tell(observer.quotes_disagreed, session, quote)

    @override
    def booked_otherwise(self, session: Session) -> None:
        for observer in self._all:
            _tell(observer.booked_otherwise, session)

    @override
    def outcome_not_recorded(self, session: Session) -> None:
        for observer in self._all:
            _tell(observer.outcome_not_recorded, session)

    @override
    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        for observer in self._all:
            _tell(observer.difference_found, session, kind)

    @override
    def running(self, run: JobRun) -> AbstractContextManager[object]:
        return self._first.running(run)

    @override
    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        for observer in self._all:
            _tell(observer.run_ended, run, ending, seconds)


def _tell(hear: Callable[..., None], *news: Any) -> None:
    try:
        hear(*news)
    except Exception as error:  # noqa: BLE001 - whatever it is, the sale must not suffer for it
        _log.error("An observer failed", observer=hear.__qualname__, error=type(error).__name__)
