"""However the host, storage and other tills behave, a return is taken back once, promised, or not there at all."""

import asyncio

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    HostRefusedUs,
    InFlight,
    LoyaltyError,
    OverReturn,
    RejectedByHost,
    SettlementFailed,
    StorageUnavailable,
    TransactionMismatch,
)
from loyalty_core.domain.identifiers import ReturnId
from loyalty_core.domain.purchase_return import SALE_NOT_BOOKED, ReturnStatus
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.domain.session_returns import attempt_return, reject_return, take_back_return
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
)
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import Call, SessionChange, UnitOfWork
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.counter import amount, finalizing, give_back, lines, moved, sold, stored_return
from tests.unit.use_cases.shop import Shop

SILENT = Course(error=HostSilence("timeout"))
LOST = Course(error=HostSilence("timeout"), acts=True)
NO = Course(error=HostRejection("return_refused", "not this one"))


async def _changed(shop: Shop, before: Session, after: Session) -> None:
    """Somebody else changes the session."""
    change = SessionChange(before=before, after=after, cause=Cause.PARKED)
    await shop.store.commit(UnitOfWork(changes=(change,)))


# -- the host


@pytest.mark.parametrize(
    ("course", "error", "waits_for"),
    [
        pytest.param(SILENT, "timeout", 1, id="silent"),
        pytest.param(LOST, "timeout", 1, id="answer lost"),
        pytest.param(Course(error=HostNotSent("connect_refused")), "connect_refused", 0, id="not sent"),
        pytest.param(Course(error=HostNotJudged("too_many")), "too_many", 0, id="not judged"),
    ],
)
async def test_a_return_without_an_answer_is_promised_and_settles_once(
    course: Course, error: str, waits_for: int
) -> None:
    """The POS hears `accepted` with the figures it will have; the workers settle it, and one reversal is booked."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, course)
    promised = (await shop.give_back(give_back(session_id))).answer
    assert (ReturnStatus.ACCEPTED, 450, 0, "finalized") == (
        promised.status, promised.points_reversed, promised.remaining_points, promised.session_status
    )  # fmt: skip
    goods = await stored_return(shop, session_id)
    assert (error, waits_for, True) == (goods.delivery.last_error, goods.delivery.unanswered, goods.is_promised)
    await shop.until_settled()
    settled = await shop.give_back(give_back(session_id))
    assert (ReturnStatus.RETURNED, 450, "returned", True) == (
        settled.answer.status, settled.answer.points_reversed, settled.answer.session_status, settled.replayed
    )  # fmt: skip
    assert (450, 0) == moved(shop)


async def test_while_the_circuit_is_open_nothing_is_sent() -> None:
    """The return is on record and promised at once, without an attempt."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.closed_for = 5.0
    promised = (await shop.give_back(give_back(session_id))).answer
    assert ReturnStatus.ACCEPTED is promised.status
    goods = await stored_return(shop, session_id)
    assert (0, "circuit_open", None) == (goods.delivery.attempts, goods.delivery.last_error, goods.figures)
    shop.host.closed_for = 0.0
    await shop.until_settled()
    assert (450, 0) == moved(shop)


@pytest.mark.parametrize(
    ("course", "error"),
    [(NO, RejectedByHost), (Course(error=HostRefusesUs("bad_credentials")), HostRefusedUs)],
    ids=["refused", "credentials"],
)
async def test_a_definite_no_leaves_nothing(course: Course, error: type[LoyaltyError]) -> None:
    """The return is as if it had never been; under its id another payload is judged afresh, with a new key."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, course)
    with pytest.raises(error):
        await shop.give_back(give_back(session_id))
    session = await shop.session(session_id)
    assert ((), SessionStatus.FINALIZED, 2) == (session.returns, session.status, session.intents)
    corrected = (await shop.give_back(give_back(session_id, request=amount("50")))).answer
    assert (ReturnStatus.RETURNED, 150) == (corrected.status, corrected.points_reversed)
    reversals = [entry.commit.key for entry in shop.host.ledger if entry.commit.kind is CommitKind.REVERSAL]
    assert [f"sess_{session_id.hex}:3"] == reversals


async def test_a_no_to_a_worker_is_kept_and_frees_what_it_took() -> None:
    """The POS that was promised hears of it at every repeat; the goods can be given back under another id."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, Course(error=HostNotSent("connect_refused")), NO)
    await shop.give_back(give_back(session_id))
    await shop.until_settled()
    with pytest.raises(SettlementFailed, match=r"queued return was refused \(return_refused\)"):
        await shop.give_back(give_back(session_id))
    goods = await stored_return(shop, session_id)
    assert (ReturnStatus.REJECTED, "return_refused") == (goods.status, goods.failure)
    again = (await shop.give_back(give_back(session_id, "R-2"))).answer
    assert (ReturnStatus.RETURNED, "returned") == (again.status, again.session_status)
    assert (450, 0) == moved(shop)


async def test_a_no_beside_an_unanswered_attempt_decides_nothing() -> None:
    """The first send may have been booked: the return stays owed, under the same key, until that is known."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, SILENT, NO)
    await shop.give_back(give_back(session_id))
    shop.clock.advance(60)
    await shop.deliver()
    goods = await stored_return(shop, session_id)
    assert (ReturnStatus.ACCEPTED, 1, 2) == (goods.status, goods.delivery.unanswered, goods.delivery.number)
    await shop.until_settled()
    assert (450, 0) == moved(shop)


async def test_a_host_that_has_lost_its_session_is_told_again_who_it_is() -> None:
    """Identify again, then the same return with the same key."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, Course(error=HostSessionUnknown("session_unknown")))
    answer = (await shop.give_back(give_back(session_id))).answer
    assert (ReturnStatus.RETURNED, 450) == (answer.status, answer.points_reversed)
    assert f"sess_{session_id.hex}:2" == shop.host.ledger[-1].commit.key
    assert SessionStatus.RETURNED is (await shop.session(session_id)).status


async def test_a_tier_learnt_after_the_sale_was_booked_changes_nothing_of_it() -> None:
    """The host is told again who the customer is; figures that are booked are not computed again."""
    shop = Shop()
    session = await shop.session(await sold(shop))
    assert session.intent is not None
    assert session.delivery is not None
    untiered = msgspec.structs.replace(session.intent.quote, tier=None, host=None)
    shop.store.replace(
        msgspec.structs.replace(
            session,
            host_session=None,
            intent=msgspec.structs.replace(session.intent, quote=untiered),
            # As a late "never left" of a second send leaves it.
            delivery=msgspec.structs.replace(session.delivery, sent_at=None, unanswered=0),
        )
    )
    answer = (await shop.give_back(give_back(session.id))).answer
    assert (ReturnStatus.RETURNED, 450) == (answer.status, answer.points_reversed)
    after = (await shop.session(session.id)).intent
    assert after is not None
    assert untiered == after.quote


# -- the sale, and other returns


async def test_a_return_waits_for_its_sale() -> None:
    """While the sale is still owed the return is promised behind it, and goes after it."""
    shop = Shop()
    shop.host.plan(HostCall.FINALIZE, SILENT)
    session_id = await finalizing(shop)
    promised = (await shop.give_back(give_back(session_id))).answer
    assert (ReturnStatus.ACCEPTED, 450, "finalizing") == (
        promised.status, promised.points_reversed, promised.session_status
    )  # fmt: skip
    assert "queued_behind" == (await stored_return(shop, session_id)).delivery.last_error
    await shop.until_settled()
    assert [CommitKind.ACCRUAL, CommitKind.REVERSAL] == [entry.commit.kind for entry in shop.host.ledger]
    assert SessionStatus.RETURNED is (await shop.session(session_id)).status


async def test_a_return_of_a_sale_that_fails_is_void() -> None:
    """There was nothing to take back; its POS hears so at every repeat."""
    shop = Shop()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostNotSent("away")), NO)
    session_id = await finalizing(shop)
    await shop.give_back(give_back(session_id))
    await shop.until_settled()
    goods = await stored_return(shop, session_id)
    assert (ReturnStatus.VOID, SALE_NOT_BOOKED) == (goods.status, goods.failure)
    with pytest.raises(SettlementFailed, match=SALE_NOT_BOOKED):
        await shop.give_back(give_back(session_id))
    assert [] == shop.host.ledger


async def test_returns_of_one_sale_go_in_their_order() -> None:
    """A return waits for the one before it, also where that one is in a long back-off; figures follow the order."""
    shop = Shop()
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, *(Course(error=HostNotSent("away")) for _ in range(4)))
    await shop.give_back(give_back(session_id, "R-1", lines((0, "1"))))
    second = (await shop.give_back(give_back(session_id, "R-2"))).answer
    assert (ReturnStatus.ACCEPTED, "queued_behind") == (
        second.status,
        (await stored_return(shop, session_id, "R-2")).delivery.last_error,
    )
    await shop.until_settled()
    order = [entry.commit.points for entry in shop.host.ledger if entry.commit.kind is CommitKind.REVERSAL]
    assert [-75, -375] == order


# -- repeats


async def test_a_repeat_gets_the_same_bytes() -> None:
    """From the cache, from the record, and rebuilt; PDI is asked once."""
    shop = Shop()
    session_id = await sold(shop)
    first = await shop.give_back(give_back(session_id))
    cached = await shop.give_back(give_back(session_id))
    shop.cache.clear()
    on_record = await shop.give_back(give_back(session_id))
    shop.store.clear_answers()
    rebuilt = await shop.give_back(give_back(session_id))
    assert [(first.body, False)] + [(first.body, True)] * 3 == [
        (answer.body, answer.replayed) for answer in (first, cached, on_record, rebuilt)
    ]
    assert 1 == shop.host.calls.count(HostCall.RETURN)
    assert [Call.RETURN] * 2 == shop.notes.replays


@pytest.mark.parametrize("cached", [True, False])
async def test_another_payload_under_the_same_id_is_refused(cached: bool) -> None:
    """Whether it is the cache or the record that knows the first one."""
    shop = Shop()
    session_id = await sold(shop)
    await shop.give_back(give_back(session_id, request=amount("50")))
    if not cached:
        shop.cache.clear()
    with pytest.raises(TransactionMismatch):
        await shop.give_back(give_back(session_id, request=amount("51")))
    assert (150, 0) == moved(shop)


async def test_a_hundred_equal_calls_are_one_return() -> None:
    """In one process they share the work and the bytes."""
    shop = Shop()
    session_id = await sold(shop)
    answers = await asyncio.gather(*(shop.give_back(give_back(session_id)) for _ in range(100)))
    assert {answers[0].body} == {answer.body for answer in answers}
    assert 99 == sum(answer.replayed for answer in answers)
    assert (450, 0) == moved(shop)
    assert 1 == len((await shop.session(session_id)).returns)


async def test_a_twin_in_another_process_waits_and_gets_the_answer() -> None:
    """It finds the return at work, looks again until it is settled, and repeats its answer."""
    shop = Shop()
    other = Shop(shared=shop)
    session_id = await sold(shop)
    shop.host.plan(HostCall.RETURN, Course(takes=2.0))
    first, twin = await asyncio.gather(shop.give_back(give_back(session_id)), other.give_back(give_back(session_id)))
    assert (first.body, True) == (twin.body, twin.replayed)
    assert (450, 0) == moved(shop)


async def test_a_twin_that_runs_out_of_time_is_told_to_come_again() -> None:
    """The first is still at work when the second's time is up."""
    shop = Shop()
    other = Shop(shared=shop)
    session_id = await sold(shop)
    told: list[LoyaltyError] = []

    async def twin() -> None:
        with pytest.raises(InFlight) as in_flight:
            await other.give_back(give_back(session_id))
        told.append(in_flight.value)

    shop.store.plan(Cause.RETURN_SETTLED, first=twin)
    answer = (await shop.give_back(give_back(session_id))).answer
    assert (1, ReturnStatus.RETURNED) == (len(told), answer.status)


async def test_a_return_whose_process_died_is_promised_to_the_next_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease has ended and nobody was promised anything: the repeat is, on record, and the workers settle it."""
    shop = Shop()
    session_id = await sold(shop)
    sent = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        sent.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(shop.host, "send_return", never)
        call = asyncio.create_task(shop.give_back(give_back(session_id)))
        await sent.wait()
        for flight in shop.flights._tasks.values():
            flight.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    shop.clock.advance(60)
    other = Shop(shared=shop)
    promised = await other.give_back(give_back(session_id))
    assert (ReturnStatus.ACCEPTED, True) == (promised.answer.status, promised.replayed)
    assert (await stored_return(shop, session_id)).is_promised
    await shop.until_settled()
    assert (450, 0) == moved(shop)


# -- storage, and others at the same session


async def test_a_lost_race_at_the_intent_is_run_again() -> None:
    """Another change of the session got in between: the return is judged again, and taken back once."""
    shop = Shop()
    session_id = await sold(shop)
    shop.store.plan(Cause.RETURN_INTENDED, StaleSession())
    assert ReturnStatus.RETURNED is (await shop.give_back(give_back(session_id))).answer.status
    assert (450, 0) == moved(shop)


async def test_a_race_lost_again_and_again_does_nothing() -> None:
    """The caller is told to come again, and nothing is on record."""
    shop = Shop()
    session_id = await sold(shop)
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.RETURN_INTENDED, StaleSession())
    with pytest.raises(ConcurrentUpdate):
        await shop.give_back(give_back(session_id))
    assert () == (await shop.session(session_id)).returns
    assert (0, 0) == moved(shop)


async def test_two_tills_cannot_take_back_the_same_goods() -> None:
    """Both judged against the same sale; the second is judged again over the first, and refused."""
    shop = Shop()
    other = Shop(shared=shop)
    session_id = await sold(shop)

    async def the_other() -> None:
        await other.give_back(give_back(session_id, "R-other", lines((0, "2"))))

    shop.store.plan(Cause.RETURN_INTENDED, first=the_other)
    with pytest.raises(OverReturn):
        await shop.give_back(give_back(session_id, "R-1", lines((0, "1"))))
    assert (150, 0) == moved(shop)


async def test_a_booking_that_cannot_be_recorded_is_promised() -> None:
    """Storage fails after the host has booked: the POS gets a promise, and the workers find the booking."""
    shop = Shop()
    session_id = await sold(shop)
    shop.store.plan(Cause.RETURN_SETTLED, StorageUnavailable())
    promised = (await shop.give_back(give_back(session_id))).answer
    assert (ReturnStatus.ACCEPTED, 1) == (promised.status, shop.notes.unrecorded)
    shop.clock.advance(60)
    await shop.until_settled()
    assert (450, 0) == moved(shop)
    assert SessionStatus.RETURNED is (await shop.session(session_id)).status


async def test_a_return_that_others_have_ended_meanwhile() -> None:
    """A worker was told no while the live call's answer was on its way: what is on record counts."""
    shop = Shop()
    session_id = await sold(shop)

    async def refused() -> None:
        session = await shop.session(session_id)
        await _changed(shop, session, reject_return(session, ReturnId("R-1"), "by_others", shop.clock.now()))

    shop.store.plan(Cause.RETURN_SETTLED, first=refused)
    with pytest.raises(SettlementFailed, match="by_others"):
        await shop.give_back(give_back(session_id))


async def test_a_return_that_is_gone_was_nothing() -> None:
    """Taken back by another actor while the call was at work: the caller is told that nothing was done."""
    shop = Shop()
    session_id = await sold(shop)

    async def gone() -> None:
        session = await shop.session(session_id)
        goods = session.returns[0]
        answered = msgspec.structs.replace(goods.delivery, unanswered=0)
        open_again = attempt_return(session, goods.id, answered)
        await _changed(shop, session, take_back_return(open_again, goods.id))

    shop.store.plan(Cause.RETURN_SETTLED, first=gone)
    with pytest.raises(ConcurrentUpdate):
        await shop.give_back(give_back(session_id))
    assert () == (await shop.session(session_id)).returns
