"""A PDI whose books were falsified, and a real database: what a run of reconciliation finds, and what it settles."""

import asyncio
from typing import Any

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.ports.reconciliation import FindingQuery
from loyalty_core.use_cases.enquiries import EnquiryPolicy, HostStaysAway
from tests.integration.postgres.archiving import archive
from tests.integration.postgres.observing import eventually
from tests.integration.reconciliation.desk import Desk, open_desk
from tests.pdi import Pdi

RUN = {"compared": 0, "settled": 0, "found": 0, "resolved": 0, "unanswered": 0}


async def tampered(pdi: Pdi, action: str, sale: Session, kind: str = "accrual", **more: Any) -> None:
    entries = await pdi.tamper(action, transactionId=sale.transaction, kind=kind, **more)
    assert 1 == len(entries)


async def test_exactly_what_was_falsified_is_found(desk: Desk, pdi: Pdi, operator: psycopg.AsyncConnection) -> None:
    """Three commits lost, two doubled, one changed, archived sales and returns among them: six findings, each named."""
    sales = [await desk.sold(f"T-{number:02}") for number in range(12)]
    redeemed = await desk.sold("T-redeemed", redeem=100)
    for number in (1, 3, 6):
        await desk.returned(sales[number])
    for number in (2, 3, 4, 7):
        await archive(operator, await desk.session(sales[number].id))
    await tampered(pdi, "lose", sales[0])
    await tampered(pdi, "lose", sales[1], "reversal")
    await tampered(pdi, "lose", sales[2])
    await tampered(pdi, "double", sales[3], "reversal")
    await tampered(pdi, "double", sales[4])
    await tampered(pdi, "change", redeemed, "redemption", points=99)
    now = await desk.tomorrow()
    assert 13 == await desk.job.due(now)
    assert {**RUN, "compared": 13, "found": 6} == {**await desk.run(now, limit=5), "compared": 13}
    assert [
        (sales[0].id, Kind.MISSING_AT_HOST, "sale"),
        (sales[1].id, Kind.RETURN_MISSING, "return R-1"),
        (sales[2].id, Kind.MISSING_AT_HOST, "sale"),
        (sales[3].id, Kind.DOUBLED, "return R-1"),
        (sales[4].id, Kind.DOUBLED, "sale"),
        (redeemed.id, Kind.POINTS_DIFFER, "sale"),
    ] == await desk.found()
    changed = (await desk.findings.of_session(redeemed.id))[0]
    assert ([100], [99]) == (
        [commit.points for commit in changed.difference.ours.commits],
        [commit.points for commit in changed.difference.theirs.commits],
    )
    assert ("POS-1", "T-redeemed", sales[0].created_at.date()) == (changed.channel, changed.transaction, changed.day)
    assert 0 == (await desk.run(now))["found"]


async def test_what_pdi_put_right_is_resolved(desk: Desk, pdi: Pdi) -> None:
    """By the next run, though nothing has happened to the session here."""
    sale = await desk.sold("T-1")
    await tampered(pdi, "change", sale, points=7)
    now = await desk.tomorrow()
    assert 1 == (await desk.run(now))["found"]
    await tampered(pdi, "change", sale, points=450)
    assert (0, 1) == ((counts := await desk.run(now))["found"], counts["resolved"])
    (finding,) = await desk.findings.find(FindingQuery())
    assert finding.resolved_at is not None


@pytest.mark.parametrize("call", ["finalize", "return"])
async def test_a_promise_that_pdi_has_kept_is_settled(desk: Desk, pdi: Pdi, call: str) -> None:
    """PDI booked it and cut the line: settled once, by the workers' way, and its worker finds nothing to do."""
    sales = [] if call == "finalize" else [await desk.sold(f"T-{number}") for number in range(3)]
    await pdi.faults("drop_after_commit", endpoints=[call])
    if call == "finalize":
        sales = [await desk.sold(f"T-{number}") for number in range(3)]
    else:
        sales = [await desk.returned(sale) for sale in sales]
    assert 3 == await pdi.fired("drop_after_commit")
    await pdi.put_faults([])
    commits = len(await pdi.ledger())
    counts = await desk.run(await desk.tomorrow())
    assert (3, 0) == (counts["settled"], counts["found"])
    after = [await desk.session(sale.id) for sale in sales]
    expected = SessionStatus.FINALIZED if call == "finalize" else SessionStatus.PARTIALLY_RETURNED
    assert {(expected, 450)} == {(session.status, session.earned_points) for session in after}
    assert {0 if call == "finalize" else 150} == {session.points_reversed for session in after}
    assert 0 == (await desk.deliver()).claimed
    assert commits == len(await pdi.ledger())


async def test_a_sale_that_pdi_never_got_is_still_owed(desk: Desk, pdi: Pdi) -> None:
    """It is no difference, and nobody settles it but its delivery; then it is compared once more."""
    await pdi.faults("http_503", endpoints=["finalize"])
    sale = await desk.sold("T-1")
    await pdi.put_faults([])
    now = await desk.tomorrow()
    assert (0, 0) == ((counts := await desk.run(now))["settled"], counts["found"])
    assert SessionStatus.FINALIZING is (await desk.session(sale.id)).status

    async def delivered() -> bool:
        await desk.deliver()
        return (await desk.session(sale.id)).status is SessionStatus.FINALIZED

    await eventually(delivered, within=30)
    now = await desk.tomorrow()
    assert 1 == (await desk.run(now))["compared"]
    assert [] == await desk.found()


async def test_the_run_goes_on_when_the_circuit_closes(connections: Connections, pdi: Pdi) -> None:
    """PDI fails in the middle of a run, long enough to open it; every session is compared all the same."""
    async with open_desk(connections, pdi) as desk:
        for number in range(12):
            await desk.sold(f"T-{number}")
        await tampered(pdi, "double", await desk.session((await desk.sold("T-doubled")).id))
        await pdi.faults("http_500", endpoints=["getSessionStatus"], probability=1.0)
        running = asyncio.create_task(desk.run(await desk.tomorrow()))
        while not desk.ports.host.unavailable_for():
            assert not running.done()
            await asyncio.sleep(0.01)
        await pdi.put_faults([])
        counts = await running
        assert 13 <= counts["compared"] + counts["unanswered"]
        left = await desk.run(await desk.tomorrow())
        assert 0 == left["unanswered"]
        assert [Kind.DOUBLED] == [kind for _, kind, _ in await desk.found()]


async def test_the_run_ends_where_pdi_stays_away(connections: Connections, pdi: Pdi) -> None:
    """Its error says so, and the next run goes on from the last whole batch."""
    async with open_desk(connections, pdi, enquiries=EnquiryPolicy(in_flight=4, patience=1.0)) as desk:
        for number in range(10):
            await desk.sold(f"T-{number}")
        now = await desk.tomorrow()
        assert 5 == (await desk.job(now, 5)).taken
        await pdi.faults("http_500", endpoints=["getSessionStatus"])
        with pytest.raises(HostStaysAway):
            await desk.run(now, limit=5)
        await pdi.put_faults([])
        assert 10 == 5 + (await desk.run(now))["compared"]


async def test_two_runs_side_by_side_find_everything_once(connections: Connections, pdi: Pdi) -> None:
    """As an operator's own run beside the scheduled one."""
    async with open_desk(connections, pdi) as first, open_desk(connections, pdi) as second:
        for number in range(20):
            sale = await first.sold(f"T-{number}")
            if number % 2:
                await tampered(pdi, "double", sale)
        now = await first.tomorrow()
        await asyncio.gather(first.run(now, limit=3), second.run(now, limit=3))
        assert 10 == len(await first.found()) == len(await first.findings.find(FindingQuery()))
