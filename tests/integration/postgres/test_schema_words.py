"""The schema knows the same words as the code."""

import re
from enum import StrEnum

import psycopg
import pytest

from loyalty_core.domain.difference import DifferenceKind
from loyalty_core.domain.purchase_return import ReturnStatus
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.job_ledger import RunStatus
from loyalty_core.ports.unit_of_work import Call


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("sessions", "status", SessionStatus),
        ("sessions_archive", "status", SessionStatus),
        ("returns", "status", ReturnStatus),
        ("returns_archive", "status", ReturnStatus),
        ("session_events", "from_status", SessionStatus),
        ("session_events", "to_status", SessionStatus),
        ("session_events", "cause", Cause),
        ("session_events_archive", "cause", Cause),
        ("idempotency_answers", "call", Call),
        ("job_runs", "status", RunStatus),
        ("reconciliation_findings", "kind", DifferenceKind),
    ],
)
async def test_every_word_is_allowed_and_no_other(
    operator: psycopg.AsyncConnection, table: str, column: str, words: type[StrEnum]
) -> None:
    """The CHECK on each enumerated column lists exactly the members of its enumeration."""
    found = await operator.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"
        " AND pg_get_constraintdef(oid) LIKE %s",
        (table, f"CHECK (({column} = ANY (ARRAY[%"),
    )
    ((definition,),) = await found.fetchall()
    assert {word.value for word in words} == set(re.findall(r"'(\w+)'", definition))
