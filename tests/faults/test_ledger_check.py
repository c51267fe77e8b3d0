"""The ledger check itself: clean books pass, and each way in which they can be wrong is found and named."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.faults.books import SessionRow
from tests.faults.ledger_check import LedgerDisagreement, Observation, Sale, Verdict, check

_SALE: Final = Sale("POS-001", "T-1")
_TOLD: Final = {"sessionId": "sess_1", "earnedPoints": 450, "receiptId": "RCP-2026-001"}
_SOLD: Final = (("identified", "active"), ("quoted", "calculated"), ("finalize_intended", "finalizing"))
_BOOKED: Final = (*_SOLD, ("host_accepted", "finalized"))
_FAILED: Final = (*_SOLD, ("host_rejected", "failed"))


def _row(**changes: Any) -> SessionRow:
    row = SessionRow(
        id="sess_1",
        channel="POS-001",
        transaction="T-1",
        customer="LOAD-1",
        status="finalized",
        version=4,
        intents=1,
        booked_points=450,
        redeemed_points=0,
        points_reversed=0,
        points_restored=0,
        failure=None,
        unanswered=1,
        parked=False,
        intended_at=1.0,
        events=_BOOKED,
    )
    return row._replace(**changes)


def _entry(**changes: Any) -> Mapping[str, Any]:
    entry = {
        "channelId": "POS-001",
        "transactionId": "T-1",
        "kind": "accrual",
        "points": 450,
        "idempotencyKey": "sess_1:1",
        "pdiSessionId": "pdi_1",
    }
    return entry | changes


def _heard(status: int | None, code: str | None = None, body: Mapping[str, Any] | None = None) -> Observation:
    return Observation(_SALE, "finalize", status, code, _TOLD if status in {200, 202} and body is None else body)


_FAILED_ROW: Final = _row(status="failed", booked_points=None, failure="no", events=_FAILED)
_OPEN_ROW: Final = _row(status="calculated", booked_points=None, intents=0, events=_SOLD[:2])


@pytest.mark.parametrize(
    ("observations", "entries", "rows", "verdict"),
    [
        ([_heard(200)], [_entry()], [_row()], Verdict(1, 1, 1, 0, 0, 0)),
        ([_heard(202)], [_entry()], [_row()], Verdict(1, 1, 0, 1, 0, 0)),
        ([_heard(202)], [], [_FAILED_ROW], Verdict(1, 0, 0, 1, 0, 0)),
        ([_heard(400, "pdi_rejected")], [], [_OPEN_ROW], Verdict(1, 0, 0, 0, 1, 0)),
        ([_heard(None)], [_entry()], [_row()], Verdict(1, 1, 0, 0, 0, 1)),
        ([_heard(409, "in_flight")], [], [_OPEN_ROW], Verdict(1, 0, 0, 0, 0, 1)),
        ([_heard(None), _heard(202), _heard(200)], [_entry()], [_row()], Verdict(1, 1, 1, 0, 0, 0)),
    ],
    ids=["200", "202 booked", "202 failed", "error", "unheard and booked", "in flight and not booked", "retried"],
)
def test_books_that_agree_pass(
    observations: list[Observation], entries: list[Mapping[str, Any]], rows: list[SessionRow], verdict: Verdict
) -> None:
    """Each promise, kept, passes and is counted for what it is."""
    assert verdict == check(observations, entries, rows)


@pytest.mark.parametrize(
    ("observations", "entries", "rows", "finding"),
    [
        ([_heard(200)], [], [_row()], "LOST"),
        ([_heard(200)], [], [_OPEN_ROW], "LOST"),
        ([_heard(200)], [_entry(), _entry(idempotencyKey="sess_1:2")], [_row()], "2 commits of kind accrual"),
        ([_heard(200)], [_entry(), _entry(pdiSessionId="pdi_2")], [_row()], "key sess_1:1: 2 commits"),
        ([_heard(200)], [_entry(points=451)], [_row()], "PDI booked 451"),
        ([_heard(200)], [_entry()], [_row(booked_points=451)], "has 451 points"),
        ([_heard(202)], [], [_OPEN_ROW], "was answered 202"),
        ([_heard(202)], [_entry()], [_FAILED_ROW], "is failed and PDI has booked"),
        ([_heard(202)], [], [_row(status="finalizing", booked_points=None, events=_SOLD)], "still finalizing"),
        ([_heard(400, "pdi_rejected")], [_entry()], [_row()], "heard only errors"),
        ([_heard(503, "storage_unavailable")], [_entry()], [_row()], "heard only errors"),
        ([_heard(None)], [_entry()], [_OPEN_ROW._replace(intents=1)], "is calculated and PDI has booked"),
        ([], [_entry(idempotencyKey="sess_9:1")], [], "of which we know nothing"),
        ([_heard(200), _heard(200, body=_TOLD | {"earnedPoints": 9})], [_entry()], [_row()], "200 in 2 ways"),
        ([_heard(202), _heard(202, body=_TOLD | {"receiptId": "RCP-2026-002"})], [_entry()], [_row()], "202 in 2 ways"),
        ([_heard(200)], [_entry()], [_row(events=(*_BOOKED, ("host_accepted", "finalized")))], "settles it 2 times"),
        ([_heard(200)], [_entry()], [_row(events=_SOLD)], "its timeline ends with"),
        ([_heard(200)], [_entry()], [_row(intents=2)], "has had 2 intents"),
        ([_heard(200)], [_entry(), _entry(kind="redemption", points=5)], [_row()], "points of redemption"),
        ([_heard(200)], [_entry(), _entry(kind="reversal", points=5)], [_row()], "points of reversal"),
    ],
)
def test_books_that_disagree_are_named(
    observations: list[Observation], entries: list[Mapping[str, Any]], rows: list[SessionRow], finding: str
) -> None:
    """Lost, doubled, altered, undecided, contradicted: the sale is named with what is wrong."""
    with pytest.raises(LedgerDisagreement) as disagreement:
        check(observations, entries, rows)
    assert any(finding in found for found in disagreement.value.findings), disagreement.value
    assert all("T-1" in found or "sess_" in found or "pdi_" in found for found in disagreement.value.findings)
