"""Once the intent has committed, whatever storage does, the answer is 200, 202, or an error whose revert committed."""

import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    LoyaltyError,
    OutcomeUnknown,
    Overloaded,
    RejectedByHost,
    StorageUnavailable,
)
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import HostRejection, HostSilence
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.shop import Shop, finalize

AWAY: list[LoyaltyError] = [StorageUnavailable(), Overloaded()]
TROUBLE: list[LoyaltyError] = [*AWAY, ConcurrentUpdate(), OutcomeUnknown()]
NO = HostRejection("insufficient_points")


def _code(error: LoyaltyError) -> str:
    return error.code


async def _settles_once(shop: Shop, session_id: SessionId, points: int = 450) -> None:
    assert shop.store.is_through
    await shop.until_settled()
    session = await shop.session(session_id)
    assert SessionStatus.FINALIZED is session.status
    assert [("1", points)] == shop.booked()


@pytest.mark.parametrize("trouble", TROUBLE, ids=_code)
async def test_a_booking_that_cannot_be_recorded_is_promised(trouble: LoyaltyError) -> None:
    """The host has booked; the POS gets a 202, and the workers find the booking."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.store.plan(Cause.HOST_ACCEPTED, trouble)

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is answer.answer.status
    assert (await shop.session(session_id)).is_promised
    await _settles_once(shop, session_id)


@pytest.mark.parametrize("trouble", AWAY, ids=_code)
async def test_a_booking_that_lost_a_race_and_then_the_store_is_promised(trouble: LoyaltyError) -> None:
    """Reading the row again may fail as well; that is no error for the POS, whose sale is booked."""
    shop = Shop()
    session_id = await shop.quoted()

    async def away() -> None:
        shop.store.plan("find", trouble)

    shop.store.plan(Cause.HOST_ACCEPTED, StaleSession(), first=away)

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is answer.answer.status
    await _settles_once(shop, session_id)


async def test_a_booking_that_loses_every_race_is_promised() -> None:
    """`ConcurrentUpdate` means that nothing was done; once the host has booked, that would be a lie."""
    shop = Shop()
    session_id = await shop.quoted()
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.HOST_ACCEPTED, StaleSession())

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is answer.answer.status
    await _settles_once(shop, session_id)


async def test_a_booking_that_loses_some_races_is_a_booking() -> None:
    """The outcome is applied again to the row as it is by then; the host is not asked again."""
    shop = Shop()
    session_id = await shop.quoted()
    for _ in range(MAX_RACES - 1):
        shop.store.plan(Cause.HOST_ACCEPTED, StaleSession())

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZED is answer.answer.status
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)


@pytest.mark.parametrize("trouble", TROUBLE[:3], ids=_code)
async def test_a_no_that_cannot_be_recorded_is_promised(trouble: LoyaltyError) -> None:
    """An error is given only where the intent is gone; else a worker would send it after the error."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=NO))
    shop.store.plan(Cause.HOST_REJECTED, trouble)

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is answer.answer.status
    await _settles_once(shop, session_id)


@pytest.mark.parametrize("written", [True, False])
async def test_a_no_whose_commit_is_in_doubt_is_in_doubt(written: bool) -> None:
    """Whether the intent was taken back is not known, so the POS is asked to repeat the call, and learns it."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=NO))
    shop.store.plan(Cause.HOST_REJECTED, OutcomeUnknown(), written=written)
    with pytest.raises(OutcomeUnknown):
        await shop.finalize(finalize(session_id))
    shop.clock.advance(15)  # the lease of the first call ends

    again = await shop.finalize(finalize(session_id))

    assert (SessionStatus.FINALIZED if written else SessionStatus.FINALIZING) is again.answer.status
    await shop.until_settled()
    assert [("2" if written else "1", 450)] == shop.booked()


@pytest.mark.parametrize(
    ("overtaken", "cause"),
    [(False, Cause.ATTEMPT_BEGUN), (True, Cause.HOST_IDENTIFIED), (True, Cause.ATTEMPT_BEGUN)],
)
@pytest.mark.parametrize(("trouble", "written"), [*((trouble, False) for trouble in TROUBLE), (OutcomeUnknown(), True)])
async def test_a_step_before_the_send_that_cannot_be_recorded_sends_nothing(
    overtaken: bool, cause: Cause, trouble: LoyaltyError, written: bool
) -> None:
    """Nothing is sent that is not on record; the promise is, and the workers keep it.

    What the host has told goes on record with the attempt; where somebody is faster, `overtaken`, before it.
    """
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()
    if overtaken:
        shop.store.plan(Cause.ATTEMPT_BEGUN, StaleSession())
    shop.store.plan(cause, trouble, written=written)

    answer = await shop.finalize(finalize(session_id))

    session = await shop.session(session_id)
    assert HostCall.FINALIZE not in shop.host.calls
    assert SessionStatus.FINALIZING is answer.answer.status
    assert session.is_promised
    assert session.intent is not None
    assert session.intent.promised_points == answer.answer.earned_points
    shop.clock.advance(15)
    assert answer.body == (await shop.finalize(finalize(session_id))).body
    await _settles_once(shop, session_id)


async def test_a_call_overtaken_before_its_send_promises_on_record() -> None:
    """Whoever lost the row sends nothing, and the 202 is on record before it is given."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()

    async def lease_ends_and_a_worker_claims() -> None:
        shop.clock.advance(15)
        await shop.deliver()

    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    shop.store.plan(Cause.ATTEMPT_BEGUN, first=lease_ends_and_a_worker_claims)

    answer = await shop.finalize(finalize(session_id))

    assert 1 == shop.host.calls.count(HostCall.FINALIZE)
    assert SessionStatus.FINALIZING is answer.answer.status
    assert (await shop.session(session_id)).is_promised
    await _settles_once(shop, session_id)


@pytest.mark.parametrize("trouble", TROUBLE, ids=_code)
async def test_a_promise_that_cannot_be_recorded_is_given_all_the_same(trouble: LoyaltyError) -> None:
    """The intent stands and will be delivered, so a 202 is the truth; nobody takes the intent back any more."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout"), acts=True))
    shop.store.plan(Cause.DELIVERY_AWAITED, trouble)
    shop.store.plan(Cause.DELIVERY_AWAITED, trouble)

    answer = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is answer.answer.status
    await _settles_once(shop, session_id)


async def test_a_worker_that_cannot_record_leaves_it_to_the_next() -> None:
    """Trouble with one row is no trouble for the round."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    await shop.finalize(finalize(session_id))
    shop.clock.advance(60)

    async def away() -> None:
        shop.store.plan("find", StorageUnavailable())

    shop.store.plan(Cause.HOST_ACCEPTED, StaleSession(), first=away)

    done = await shop.deliver()

    assert (1, 0) == (done.claimed, done.settled)
    await _settles_once(shop, session_id)


async def test_a_rejection_gets_its_error_once_the_intent_is_gone() -> None:
    """The way it is when storage works: the corrected call is judged afresh, under a key of its own."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=NO))
    with pytest.raises(RejectedByHost):
        await shop.finalize(finalize(session_id))

    answer = await shop.finalize(finalize(session_id, "20.00"))

    assert SessionStatus.FINALIZED is answer.answer.status
    assert [("2", 60)] == shop.booked()
