from typing import Final

from typing_extensions import override

from loyalty_adapters.observability.metrics import Metrics
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.ports.job_ledger import JobRun
from loyalty_core.ports.observer import NullObserver, RunEnding
from loyalty_core.ports.unit_of_work import Call, SessionChange

_NOTHING: Final = "none"


class MetricsObserver(NullObserver):
    """Counts what happened."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @override
    def changed(self, change: SessionChange) -> None:
        before, after = change.before, change.after
        status = _NOTHING if before is None else before.status.value
        self._metrics.transitions[status, after.status.value, change.cause.value].inc()
        if before is None or before.receipt is None:
            self._count("earned", 0, 0 if after.receipt is None else after.receipt.earned_points)
        if before is not None:
            self._count("redeemed", before.redeemed_points, after.redeemed_points)
            self._count("reversed", before.points_reversed, after.points_reversed)
            self._count("restored", before.points_restored, after.points_restored)

    @override
    def replayed(self, call: Call, session: Session) -> None:
        self._metrics.replays[call.value,].inc()

    @override
    def quotes_disagreed(self, session: Session, quote: SessionQuote) -> None:
        self._metrics.disagreements.inc()
        self._metrics.disagreement_points.inc(abs(quote.disagreement or 0))

    @override
    def booked_otherwise(self, session: Session) -> None:
        self._metrics.booked_otherwise.inc()

    @override
    def outcome_not_recorded(self, session: Session) -> None:
        self._metrics.outcomes_not_recorded.inc()

    @override
    def difference_found(self, session: SessionId, kind: DifferenceKind) -> None:
        self._metrics.reconciliation_found(kind.value)

    @override
    def run_ended(self, run: JobRun, ending: RunEnding, seconds: float) -> None:
        succeeded_at = run.finished_at.timestamp() if ending is RunEnding.DONE and run.finished_at else None
        self._metrics.job_run_ended(run.job.value, ending.value, seconds, succeeded_at)
        if run.finished_at is not None:
            self._metrics.job_items_counted(run.job.value, run.counts)

    def _count(self, kind: str, before: int, after: int) -> None:
        if after > before:
            self._metrics.points[kind,].inc(after - before)
