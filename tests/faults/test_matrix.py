"""Every call under every fault of PDI: the right answer, in time, and in the end the right books."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Final

import pytest

from tests.faults.disturbance import Disturbance, disturbed
from tests.faults.ledger_check import LedgerDisagreement
from tests.faults.matrix import BUDGET, FAULTS, SERVED, Call, Cell, Circuit, Fault, Kind, Means
from tests.faults.stack import Stack, until
from tests.faults.subject import Evidence, Subject, replica_in_touch
from tests.faults.times import TIMES

_DRAIN: Final = 60.0
Row = Mapping[Call, Evidence]


def _name(fault: Fault) -> str:
    return fault.name


@pytest.fixture(scope="module")
def fault(request: pytest.FixtureRequest) -> Fault:
    """One row of the matrix."""
    found: Fault = request.param
    return found


@pytest.fixture(scope="module")
async def row(shared_stack: Stack, fault: Fault) -> AsyncIterator[Row]:
    """All calls of one row, each with a sale of its own, made at the same time under the same fault.

    They fail four times at most, one short of opening a circuit.
    """
    stack = shared_stack
    await stack.clear()
    async with stack.till() as till:
        for worker in stack.workers:
            worker.pause()  # nobody but the calls under test is to act on their sessions before they were looked at
        replica = await replica_in_touch(stack, till)
        subjects = {call: Subject(stack, till, replica) for call in SERVED}
        for call, subject in subjects.items():
            await subject.prepare(call)
        async with disturbed(stack.pdi, fault) as disturbance:
            evidence = await _disturbed_calls(subjects, disturbance)
        await _look_right_after(subjects, evidence, fault)
        for worker in stack.workers:
            worker.resume()
        await stack.drained(_DRAIN)
        await _look_later(subjects, evidence)
        # Credentials that PDI has refused rest for a while: a POS would go on elsewhere.
        await _go_on(subjects, evidence, await replica_in_touch(stack, till))
        await stack.drained(_DRAIN)
        for call, subject in subjects.items():
            try:
                await stack.check(subject.observations(), [subject.transaction])
            except LedgerDisagreement as disagreement:
                evidence[call].disagreement = disagreement
        yield evidence


async def _disturbed_calls(subjects: Mapping[Call, Subject], disturbance: Disturbance) -> dict[Call, Evidence]:
    heard = await asyncio.gather(*(subject.make(call) for call, subject in subjects.items()))
    return {
        call: Evidence(answer, await disturbance.happened(call)) for call, answer in zip(subjects, heard, strict=True)
    }


async def _look_right_after(subjects: Mapping[Call, Subject], evidence: Row, fault: Fault) -> None:
    for call, subject in subjects.items():
        expected = Cell(call, fault).commits_right_after
        if fault.means is Means.STOPPED:  # what it had received before it was stopped, it does now
            await until(partial(_booked, subject, expected), "PDI has gone on", 5)
        row = await subject.row()
        evidence[call].state = None if row is None else row.status
        evidence[call].accruals = await subject.accruals()


async def _booked(subject: Subject, expected: int) -> bool:
    return await subject.accruals() == expected


async def _look_later(subjects: Mapping[Call, Subject], evidence: Row) -> None:
    for call, subject in subjects.items():
        row = await subject.row()
        evidence[call].state_later = None if row is None else row.status
        evidence[call].accruals_later = await subject.accruals()


async def _go_on(subjects: Mapping[Call, Subject], evidence: Row, replica: int) -> None:
    for call, subject in subjects.items():
        subject.replica = replica
        if evidence[call].state_later is None:
            evidence[call].sold = await subject.make(Call.IDENTIFY)
        elif evidence[call].state_later in {"active", "calculated"}:
            evidence[call].sold = await subject.make(Call.FINALIZE)


@pytest.mark.parametrize("fault", FAULTS, ids=_name, indirect=True, scope="module")
@pytest.mark.parametrize("call", SERVED)
class TestEachCallUnderEachFault:
    async def test_is_answered_as_promised(self, row: Row, fault: Fault, call: Call) -> None:
        """Status, code, provisional or not, within the time of the call and half a second; and the fault was there."""
        cell, evidence = Cell(call, fault), row[call]
        heard, expected = evidence.heard, cell.expected
        assert evidence.happened or not cell.meets_fault
        assert (expected.status, expected.code) == (heard.status, heard.code), heard
        assert heard.took < BUDGET[call] + TIMES.slack
        if expected.provisional is not None:
            assert expected.provisional is heard.json["provisional"]
        if heard.status in {202, 503}:
            assert int(heard.headers["Retry-After"]) >= 1
        if fault.kind is Kind.REJECTED and heard.code == "pdi_rejected":
            assert "not_today" == heard.json["reason"]

    async def test_leaves_the_session_and_the_books_as_promised(self, row: Row, fault: Fault, call: Call) -> None:
        """Right after the answer, once PDI is well again, and after the POS has gone on; all sides agree at the end."""
        cell, evidence = Cell(call, fault), row[call]
        assert (cell.expected.state, cell.commits_right_after) == (evidence.state, evidence.accruals)
        assert (cell.expected.finally_, cell.commits_in_the_end) == (evidence.state_later, evidence.accruals_later)
        if evidence.sold is not None:
            assert evidence.sold.status in {200, 201, 202}, evidence.sold
        assert evidence.disagreement is None, evidence.disagreement


@pytest.mark.parametrize("fault", FAULTS, ids=_name)
async def test_each_fault_that_goes_on_moves_the_circuits_as_specified(stack: Stack, fault: Fault) -> None:
    """After five calls: does the sixth reach PDI, does it ask for a token, and is it answered without waiting?"""
    call = Call.CALCULATE if fault.needs_session else Call.IDENTIFY
    async with stack.till() as till:
        replica = await replica_in_touch(stack, till)
        subjects = [Subject(stack, till, replica) for _ in range(6)]
        for subject in subjects:
            await subject.prepare(call)
        async with disturbed(stack.pdi, fault) as disturbance:
            await _five(subjects[:5], call, at_once=fault.slow)
            assert await disturbance.happened(call)
            if fault.means in {Means.RULE, Means.TOKEN_RULE}:
                await _assert_sixth(stack, subjects[5], call, fault)
            else:
                # Nobody is there to count; an open circuit shows in that the call does not take its time.
                heard = await subjects[5].make(call)
                assert heard.took < BUDGET[call] / 2


async def _five(subjects: Sequence[Subject], call: Call, *, at_once: bool) -> None:
    if at_once:
        await asyncio.gather(*(subject.make(call) for subject in subjects))
    else:
        for subject in subjects:
            await subject.make(call)


async def _assert_sixth(stack: Stack, subject: Subject, call: Call, fault: Fault) -> None:
    before, tokens = await stack.pdi.calls(call), await stack.pdi.calls("token")
    heard = await subject.make(call)
    reached = await stack.pdi.calls(call) - before
    assert (fault.circuit is Circuit.CLOSED) is (reached > 0), heard
    if fault.circuit is Circuit.TOKENS_LEFT_ALONE:
        assert 0 == await stack.pdi.calls("token") - tokens
    if fault.circuit is not Circuit.CLOSED:
        assert heard.took < BUDGET[call] / 2
