"""A run of reconciliation: what it compares, what it finds and settles, how it waits, and where it goes on."""

from datetime import timedelta
from typing import Any

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.difference import DifferenceKind as Kind
from loyalty_core.domain.errors import RejectedByHost, StorageUnavailable
from loyalty_core.domain.identifiers import HostSessionId, ReturnId, SessionId
from loyalty_core.domain.return_request import ReturnRequest
from loyalty_core.domain.session import SessionStatus
from loyalty_core.ports.loyalty_host import (
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionReport,
    HostSilence,
)
from loyalty_core.ports.reconciliation import Standing
from loyalty_core.use_cases.enquiries import EnquiryPolicy, HostStaysAway
from loyalty_core.use_cases.loyalty import Policy
from loyalty_core.use_cases.operate_delivery import Decision
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_core.use_cases.pricing import Authority
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.unit.reconciliation.audit import DAY, Audit, points
from tests.unit.use_cases.shop import CALLER

SILENT = Course(error=HostSilence("timed_out"))
LOST_ANSWER = Course(error=HostSilence("reset"), acts=True)
NOTHING = {"compared": 0, "settled": 0, "found": 0, "resolved": 0, "unanswered": 0}


def counts(**some: int) -> dict[str, int]:
    return {**NOTHING, **some}


async def give_back(audit: Audit, sale: SessionId) -> None:
    await audit.give_back(
        ReturnGoods(caller=CALLER, session_id=sale, return_id=ReturnId("R-1"), request=ReturnRequest())
    )


async def test_what_agrees_is_compared_once() -> None:
    """Each session with an intent, once, however many runs there are; what was only quoted never."""
    audit = Audit()
    for number in range(5):
        await audit.sold(f"T-{number}")
    assert counts() == await audit.run()
    audit.days(1)
    assert 5 == await audit.job.due(audit.clock.now())
    assert counts(compared=5) == await audit.run(limit=2)
    assert counts() == await audit.run()
    assert 5 == audit.host.calls.count(HostCall.REPORT)
    assert [] == audit.heard.differences


async def test_each_falsified_sale_is_named() -> None:
    """Three lost, two doubled, one changed, one of them with a return: six findings, and each is told once."""
    audit = Audit()
    sales = [await audit.sold(f"T-{number}") for number in range(10)]
    await give_back(audit, sales[1])
    audit.lose("T-0")
    audit.lose("T-1")
    audit.lose("T-2")
    audit.double("T-3")
    audit.double("T-4")
    audit.change("T-5", points(7))
    audit.days(1)
    expected = [
        (sales[0], Kind.MISSING_AT_HOST),
        (sales[1], Kind.MISSING_AT_HOST),
        (sales[1], Kind.RETURN_MISSING),
        (sales[2], Kind.MISSING_AT_HOST),
        (sales[3], Kind.DOUBLED),
        (sales[4], Kind.DOUBLED),
        (sales[5], Kind.POINTS_DIFFER),
    ]
    assert counts(compared=10, found=7) == await audit.run()
    assert sorted(expected) == sorted(await audit.found())
    assert sorted(expected) == sorted(audit.heard.differences)
    assert {(audit.clock.now() - DAY).date()} == {finding.day for finding in await audit.findings()}
    assert counts() == await audit.run(audit.clock.now() - timedelta(seconds=1))
    assert counts(compared=6) == await audit.run(audit.clock.now() + timedelta(seconds=1))
    assert len(expected) == len(audit.heard.differences)


async def test_what_has_healed_is_resolved() -> None:
    """An open finding is looked at again in every run, though nothing has happened to its session."""
    audit = Audit()
    await audit.sold("T-1")
    entries = audit.lose("T-1")
    audit.days(1)
    await audit.run()
    audit.days(1)
    assert counts(compared=1) == await audit.run()
    audit.host.ledger += entries
    audit.days(1)
    assert 1 == await audit.job.due(audit.clock.now())
    assert counts(compared=1, resolved=1) == await audit.run()
    (finding,) = await audit.findings()
    assert (audit.clock.now(), None) == (finding.resolved_at, finding.resolution)
    assert 0 == await audit.job.due(audit.clock.now() + DAY)


async def test_missed_days_are_made_up_for() -> None:
    """A run reaches from where the last one ended, or from the first intent of all, to yesterday's end."""
    audit = Audit()
    for day in range(4):
        await audit.sold(f"T-{day}")
        audit.days(1)
    await audit.sold("T-today")
    assert counts(compared=4) == await audit.run()
    standing = await audit.work.standing()
    assert standing.compared is not None
    assert (audit.clock.now().replace(hour=0, minute=0, second=0), None) == (
        standing.compared.at, standing.rechecking
    )  # fmt: skip
    audit.days(5)
    assert counts(compared=1) == await audit.run()


async def test_a_later_change_brings_a_session_up_again() -> None:
    """A return after its sale was compared."""
    audit = Audit()
    sale = await audit.sold("T-1")
    audit.days(1)
    assert counts(compared=1) == await audit.run()
    await give_back(audit, sale)
    audit.days(1)
    audit.lose("T-1")
    assert counts(compared=1, found=2) == await audit.run()
    assert {(sale, Kind.MISSING_AT_HOST), (sale, Kind.RETURN_MISSING)} == set(await audit.found())


@pytest.mark.parametrize("parked", [False, True])
async def test_a_sale_that_is_booked_after_all_is_settled(parked: bool) -> None:
    """The host booked it and its answer was lost: once, by the way that workers go, and in the timeline."""
    audit = Audit(Policy(settlement=SettlementPolicy(park_after=timedelta(hours=1))))
    audit.host.plan(HostCall.FINALIZE, LOST_ANSWER)
    sale = await audit.sold("T-1", redeem=100)
    if parked:
        audit.days(0.5)
        audit.host.plan(HostCall.REPORT, *[SILENT] * 2)
        await audit.deliver()
        assert "parked" == audit.store.entries(sale)[-1].cause
    audit.days(1)
    assert counts(compared=1, settled=1) == await audit.run()
    session = await audit.session(sale)
    assert (SessionStatus.FINALIZED, 447) == (session.status, session.earned_points)
    assert ["host_accepted"] == [it.cause for it in audit.store.entries(sale) if it.after is SessionStatus.FINALIZED]
    assert 2 == len(audit.host.ledger)
    assert counts() == await audit.run()


async def test_a_return_that_is_booked_after_all_is_settled() -> None:
    """As a sale is."""
    audit = Audit()
    sale = await audit.sold("T-1")
    audit.host.plan(HostCall.RETURN, LOST_ANSWER)
    await give_back(audit, sale)
    audit.days(1)
    assert counts(compared=1, settled=1) == await audit.run()
    session = await audit.session(sale)
    assert (SessionStatus.RETURNED, 450) == (session.status, session.points_reversed)


async def test_what_a_worker_has_in_hand_is_left_to_it() -> None:
    """It is about to be settled, so nothing differs; nobody settles it twice."""
    audit = Audit()
    audit.host.plan(HostCall.FINALIZE, LOST_ANSWER)
    sale = await audit.sold("T-1")
    audit.days(1)
    found = await audit.session(sale)
    assert found.delivery is not None
    claimed = found.delivery.claim(audit.clock.now() + DAY)
    audit.store.replace(found.attempt(claimed))
    assert counts(compared=1, found=1) == await audit.run()
    assert [(sale, Kind.STILL_OWED)] == await audit.found()


async def test_what_needs_a_person_is_never_settled() -> None:
    """Booked twice: which of the two counts is not for us to say."""
    audit = Audit()
    audit.host.plan(HostCall.FINALIZE, LOST_ANSWER)
    sale = await audit.sold("T-1")
    audit.double("T-1")
    audit.days(0.9)
    await audit.run(audit.clock.now() + DAY)
    assert [(sale, Kind.DOUBLED)] == await audit.found()
    assert SessionStatus.FINALIZING is (await audit.session(sale)).status


async def test_what_the_host_never_heard_of_is_owed() -> None:
    """No handle to ask by: no difference until it is overdue, and over once it is delivered."""
    audit = Audit()
    audit.host.closed_for = 10
    sale = await audit.sold("T-1")
    assert (await audit.session(sale)).host_session is None
    audit.host.closed_for = 0
    audit.days(0.9)
    assert counts(compared=1) == await audit.run(audit.clock.now() + DAY)
    audit.days(1)
    assert counts(compared=1, found=1) == await audit.run(audit.clock.now() + DAY)
    assert [(sale, Kind.STILL_OWED)] == await audit.found()
    await audit.deliver()
    audit.days(1)
    assert (1, 1) == ((result := await audit.run())["compared"], result["resolved"])


async def test_a_discount_that_nobody_paid_for_is_found() -> None:
    """A redemption was promised, and an operator had to give the sale up."""
    audit = Audit(Policy(settlement=SettlementPolicy(park_after=timedelta(hours=1))))
    audit.host.plan(HostCall.FINALIZE, SILENT)
    sale = await audit.sold("T-1", redeem=100)
    audit.days(0.5)
    audit.host.plan(HostCall.FINALIZE, Course(error=HostRejection("insufficient_points")))
    await audit.deliver()
    decision = {"operator": "grace", "reason": "PDI refuses it"}
    await audit.decide(Decision(session_id=sale, abandon=True, **decision))
    audit.days(1)
    assert counts(compared=1, found=1) == await audit.run()
    (finding,) = await audit.findings()
    assert (Kind.REDEMPTION_REFUSED, "PDI refuses it") == (finding.difference.kind, finding.difference.note)


async def test_a_sale_that_was_refused_is_watched_too() -> None:
    """The POS was told no, and the host booked it after all."""
    audit = Audit()
    audit.host.plan(HostCall.FINALIZE, Course(error=HostRejection("suspended"), acts=True))
    with pytest.raises(RejectedByHost):
        await audit.sold("T-1")
    audit.days(1)
    assert counts(compared=1, found=1) == await audit.run()
    assert [Kind.BOOKED_AT_HOST_UNKNOWN_TO_US] == [kind for _, kind in await audit.found()]


async def test_under_local_authority_our_figure_has_to_be_booked() -> None:
    """The host booked another one when it took the sale."""
    audit = Audit(Policy(authority=Authority.LOCAL))
    audit.host.plan(HostCall.FINALIZE, LOST_ANSWER)
    sale = await audit.sold("T-1")
    audit.change("T-1", points(400))
    audit.days(1)
    assert counts(compared=1, settled=1, found=1) == await audit.run()
    (finding,) = await audit.findings()
    assert (sale, Kind.BOOKED_OTHERWISE, 450, 400) == (
        finding.session,
        finding.difference.kind,
        finding.difference.ours.commits[0].points,
        finding.difference.theirs.commits[0].points,
    )


async def test_a_host_that_forgot_its_session_proves_nothing() -> None:
    """It is told as what it is, and what was known before is neither confirmed nor over."""
    audit = Audit()
    sale = await audit.sold("T-1")
    audit.double("T-1")
    audit.days(1)
    await audit.run()
    audit.host.lose_sessions()
    audit.days(1)
    assert counts(compared=1, found=1) == await audit.run()
    assert {(sale, Kind.DOUBLED), (sale, Kind.SESSION_UNKNOWN_AT_HOST)} == set(await audit.found())


async def test_a_change_in_between_is_no_difference() -> None:
    """A return that is booked after the session was read and before the host was asked."""
    audit = Audit()
    sale = await audit.sold("T-1")
    audit.days(1)
    asked = audit.host.report

    async def slow_report(session: HostSessionId, *, within: float) -> HostSessionReport:
        audit.host.report = asked  # type: ignore[method-assign]  # once only
        await give_back(audit, sale)
        return await asked(session, within=within)

    audit.host.report = slow_report  # type: ignore[method-assign]  # something happens while the host is asked
    assert counts(compared=1) == await audit.run()
    assert [] == await audit.findings()


async def test_a_session_that_never_stands_still_is_left_for_its_next_step() -> None:
    """It is neither cleared nor accused."""
    audit = Audit()
    sale = await audit.sold("T-1")
    audit.double("T-1")
    audit.days(1)
    asked = audit.host.report

    async def restless(session: HostSessionId, *, within: float) -> HostSessionReport:
        current = await audit.session(sale)
        audit.store.replace(current.host_identified(session, (await audit.host.identify(
            current.channel, current.transaction, current.customer, within=1
        )).member))  # fmt: skip
        return await asked(session, within=within)

    audit.host.report = restless  # type: ignore[method-assign]  # it changes whenever the host is asked
    assert counts(compared=1) == await audit.run()
    assert [] == await audit.findings()


@pytest.mark.parametrize(
    "error", [HostNotSent("circuit_open"), HostNotJudged("rate_limited", retry_after=7), HostRefusesUs("401")]
)
async def test_the_run_waits_for_a_host_that_takes_no_calls(error: Any) -> None:
    """As long as it says, and goes on."""
    audit = Audit()
    for number in range(3):
        await audit.sold(f"T-{number}")
    audit.days(1)
    audit.host.plan(HostCall.REPORT, *[Course(error=error)] * 4)
    before = audit.clock.now()
    assert counts(compared=3) == await audit.run()
    assert audit.clock.now() - before >= timedelta(seconds=error.retry_after)


async def test_the_run_ends_where_the_host_stays_away_and_the_next_goes_on() -> None:
    """What was compared stays compared; nothing is said of the rest."""
    audit = Audit(Policy(enquiries=EnquiryPolicy(in_flight=2, patience=30)))
    for number in range(4):
        await audit.sold(f"T-{number}")
    audit.days(1)
    now = audit.clock.now()
    assert 2 == (await audit.job(now, 2)).taken
    standing = await audit.work.standing()
    audit.host.closed_for = 10
    with pytest.raises(HostStaysAway) as ended:
        await audit.job(now, 2)
    assert ("pdi_unavailable", "circuit_open") == (ended.value.code, ended.value.reason)
    assert timedelta(seconds=30) <= audit.clock.now() - now <= timedelta(seconds=45)
    assert standing == await audit.work.standing()
    audit.host.closed_for = 0
    assert counts(compared=2) == await audit.run()


@pytest.mark.parametrize("error", [HostSilence("timed_out"), HostRejection("forbidden")])
async def test_one_session_without_an_answer_holds_up_nobody(error: Any) -> None:
    """It is named, asked again in every run, and cleared by an answer; what else was found of it stands."""
    audit = Audit(Policy(enquiries=EnquiryPolicy(in_flight=1)))
    poisoned, *_ = [await audit.sold(f"T-{number}") for number in range(3)]
    audit.days(1)
    audit.host.plan(HostCall.REPORT, *[Course(error=error)] * (3 if isinstance(error, HostSilence) else 1))
    assert counts(compared=2, unanswered=1, found=1) == await audit.run()
    (finding,) = await audit.findings()
    assert (poisoned, Kind.NOT_ANSWERED, error.reason) == (
        finding.session, finding.difference.kind, finding.difference.note
    )  # fmt: skip
    audit.double("T-0")
    audit.days(1)
    assert counts(compared=1, found=1, resolved=1) == await audit.run()
    audit.days(1)
    audit.host.plan(HostCall.REPORT, *[Course(error=error)] * 3)
    assert counts(unanswered=1, found=1) == await audit.run()
    assert {(poisoned, Kind.DOUBLED), (poisoned, Kind.NOT_ANSWERED)} == set(await audit.found())


async def test_storage_that_fails_leaves_the_batch_undone() -> None:
    """The next run does it."""
    audit = Audit()
    await audit.sold("T-1")
    audit.double("T-1")
    audit.days(1)
    audit.store.plan("find", StorageUnavailable())
    with pytest.raises(StorageUnavailable):
        await audit.run()
    assert Standing() == await audit.work.standing()
    assert counts(compared=1, found=1) == await audit.run()


async def test_a_killed_run_goes_on_where_it_was() -> None:
    """Between any two batches, in the walk and in the second look: nothing twice, nothing left out."""
    audit = Audit()
    for number in range(6):
        await audit.sold(f"T-{number}")
        audit.double(f"T-{number}")
    audit.days(1)
    now = audit.clock.now()
    for _ in range(3):
        assert 2 == (await audit.reconciling(audit.work)(now, 2)).taken
    assert (6, 6) == (len(await audit.found()), audit.host.calls.count(HostCall.REPORT))
    assert counts() == await audit.run(now)
    audit.clock.advance(60)
    now = audit.clock.now()
    assert 0 == (await audit.reconciling(audit.work)(now, 2)).taken
    assert 6 == await audit.job.due(now)
    for _ in range(3):
        batch = await audit.reconciling(audit.work)(now, 2)
        assert (2, False) == (batch.taken, batch.done)
    assert (await audit.reconciling(audit.work)(now, 2)).done
    assert (6, 12) == (len(audit.heard.differences), audit.host.calls.count(HostCall.REPORT))


async def test_no_more_enquiries_at_once_than_allowed() -> None:
    """Tills go first; and the few that may be under way are."""
    audit = Audit(Policy(enquiries=EnquiryPolicy(in_flight=3)))
    for number in range(12):
        await audit.sold(f"T-{number}")
    audit.days(1)
    asked, under_way, most = audit.host.report, 0, 0

    async def counted(session: HostSessionId, *, within: float) -> HostSessionReport:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await audit.clock.sleep(0.1)
            return await asked(session, within=within)
        finally:
            under_way -= 1

    audit.host.report = counted  # type: ignore[method-assign]  # counts what is under way
    assert counts(compared=12) == await audit.run()
    assert 3 == most


async def test_while_the_host_takes_nothing_one_asks_for_all() -> None:
    """Each of those under way meets it once; after that there is one question for each wait."""
    audit = Audit(Policy(enquiries=EnquiryPolicy(in_flight=4)))
    for number in range(8):
        await audit.sold(f"T-{number}")
    audit.days(1)
    before = audit.clock.now()
    refused = Course(error=HostNotJudged("rate_limited", retry_after=5))
    audit.host.plan(HostCall.REPORT, *[refused] * 7)
    assert counts(compared=8) == await audit.run()
    assert 7 + 8 == audit.host.calls.count(HostCall.REPORT)
    assert audit.clock.now() - before >= timedelta(seconds=4 * 5)
