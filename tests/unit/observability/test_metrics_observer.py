from typing import Final

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from loyalty_adapters.observability.metrics import Metrics
from loyalty_adapters.observability.metrics_observer import MetricsObserver
from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.session import Cause, HostReceipt, Session, SessionStatus
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.observer import RunEnding
from loyalty_core.ports.unit_of_work import Call, SessionChange
from tests.unit.observability.job_runs import RUN, TEN
from tests.unit.session.examples import ACTIVE, CALCULATED, QUOTE, SITUATIONS, a_delivery, finalizing

FINALIZED: Final = SITUATIONS["finalized"]()


class Counted:
    """An observer, and what it has counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.observer = MetricsObserver(Metrics(self._registry, version="1"))

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"loyalty_{name}", labels)

    def points(self) -> dict[str, float | None]:
        kinds = ("earned", "redeemed", "reversed", "restored")
        return {kind: found for kind in kinds if (found := self.value("points_total", kind=kind)) is not None}


@pytest.fixture
def counted() -> Counted:
    return Counted()


def _change(before: Session | None, after: Session, cause: Cause) -> SessionChange:
    return SessionChange(before=before, after=after, cause=cause)


def test_transitions_are_counted_by_from_to_and_cause(counted: Counted) -> None:
    """One sample for each way of getting from one state to another; a new session comes from none."""
    counted.observer.changed(_change(None, ACTIVE, Cause.IDENTIFIED))
    for _ in range(2):
        counted.observer.changed(_change(ACTIVE, CALCULATED, Cause.QUOTED))
    total = "session_transitions_total"
    assert 1 == counted.value(total, **{"from": "none", "to": "active", "cause": "identified"})
    assert 2 == counted.value(total, **{"from": "active", "to": "calculated", "cause": "quoted"})


def test_points_are_counted_when_they_are_booked(counted: Counted) -> None:
    """A quote, an intent and an attempt count nothing; the booking counts what PDI booked, once."""
    owed = finalizing(a_delivery())
    counted.observer.changed(_change(CALCULATED, owed, Cause.FINALIZE_INTENDED))
    assert {} == counted.points()
    booked = msgspec.structs.replace(FINALIZED, receipt=HostReceipt(earned_points=440), redeemed_points=100)
    counted.observer.changed(_change(owed, booked, Cause.HOST_ACCEPTED))
    assert {"earned": 440, "redeemed": 100} == counted.points()


def test_returns_count_what_they_add(counted: Counted) -> None:
    """Two returns of one sale count their own points each, and the sale is not counted again."""
    sale = msgspec.structs.replace(FINALIZED, redeemed_points=100)
    first = msgspec.structs.replace(
        sale, status=SessionStatus.PARTIALLY_RETURNED, points_reversed=150, points_restored=30
    )
    second = msgspec.structs.replace(first, status=SessionStatus.RETURNED, points_reversed=450, points_restored=100)
    counted.observer.changed(_change(sale, first, Cause.RETURN_SETTLED))
    counted.observer.changed(_change(first, second, Cause.RETURN_SETTLED))
    assert {"reversed": 450, "restored": 100} == counted.points()


def test_disagreements_are_counted_with_their_size(counted: Counted) -> None:
    """More or fewer points than ours: both add their distance."""
    for figure in (460, 430):
        host = HostQuote(
            earned_points=figure, bonus_points=0, base_points=0, tier_bonus=0, multiplier=QUOTE.ours.multiplier
        )
        counted.observer.quotes_disagreed(CALCULATED, msgspec.structs.replace(QUOTE, host=host))
    assert 2 == counted.value("quote_disagreements_total")
    assert 30 == counted.value("quote_disagreement_points_total")


def test_what_must_be_looked_into_is_counted(counted: Counted) -> None:
    """Bookings with other points, outcomes that could not be written, and replays by call."""
    counted.observer.booked_otherwise(FINALIZED)
    counted.observer.outcome_not_recorded(FINALIZED)
    counted.observer.replayed(Call.FINALIZE, FINALIZED)
    assert 1 == counted.value("booked_otherwise_total")
    assert 1 == counted.value("outcomes_not_recorded_total")
    assert 1 == counted.value("replays_total", call="finalize")


def test_differences_are_counted_by_kind(counted: Counted) -> None:
    """Whichever session they are of."""
    for kind in (DifferenceKind.DOUBLED, DifferenceKind.DOUBLED, DifferenceKind.MISSING_AT_HOST):
        counted.observer.difference_found(FINALIZED.id, kind)
    assert 2 == counted.value("reconciliation_findings_total", kind="doubled")
    assert 1 == counted.value("reconciliation_findings_total", kind="missing_at_host")


def test_runs_of_jobs_are_counted_by_how_they_ended(counted: Counted) -> None:
    """How many, how long, when one last did what it should, and what the runs that have ended came to."""
    done = msgspec.structs.replace(RUN, finished_at=TEN, counts={"expired": 7})
    counted.observer.run_ended(done, RunEnding.DONE, 1.5)
    counted.observer.run_ended(msgspec.structs.replace(RUN, counts={"expired": 3}), RunEnding.PUT_BACK, 0.5)
    counted.observer.run_ended(msgspec.structs.replace(done, counts={"expired": 2}), RunEnding.FAILED, 1.0)
    name = RUN.job.value
    endings = {ending: counted.value("job_runs_total", job_name=name, outcome=ending) for ending in RunEnding}
    assert {"done": 1, "failed": 1, "put_off": None, "put_back": 1, "lost": None} == endings
    assert 3.0 == counted.value("job_run_seconds_total", job_name=name)
    assert TEN.timestamp() == counted.value("job_last_success_timestamp_seconds", job_name=name)
    assert 9 == counted.value("job_items_total", job_name=name, kind="expired")
