"""Committing a sale once: the answers of the live call, their replays, and what fixes the payload."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ConcurrentUpdate,
    HostRefusedUs,
    IllegalTransition,
    InFlight,
    LoyaltyError,
    QuoteChanged,
    RedemptionNeedsHost,
    RejectedByHost,
    SessionExpired,
    SessionNotFound,
    SettlementFailed,
    StorageUnavailable,
    TransactionMismatch,
    ValidationFailed,
    VersionMismatch,
)
from loyalty_core.domain.identifiers import ClientId, QuoteId, SessionId, TransactionId
from loyalty_core.domain.program import built_in_program
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostNotJudged,
    HostNotSent,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
)
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.pricing import Authority
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.shop import CALLER, TTL, Shop, calculate, cancel, finalize

NO = HostRejection("insufficient_points", "not that many", {"balance": 7})
LATER: list[HostError] = [
    HostSilence("timeout"),
    HostNotSent("connection_refused"),
    HostNotJudged("too_many_requests"),
]


def _kind(error: object) -> str:
    return type(error).__name__


async def _held_up(shop: Shop, session_id: SessionId) -> None:
    """A live call of another process has sent the sale and is not heard of any more."""
    rival = Shop(shared=shop)

    async def die() -> None:
        raise asyncio.CancelledError

    shop.store.plan(Cause.HOST_ACCEPTED, first=die)
    with pytest.raises(asyncio.CancelledError):
        await rival.finalize(finalize(session_id))


async def test_a_sale_is_booked() -> None:
    """The host's figures, our receipt, one booking under the intent's own key."""
    shop = Shop()
    session_id = await shop.quoted()

    done = await shop.finalize(finalize(session_id))

    answer = done.answer
    assert (SessionStatus.FINALIZED, 450, 1650, "RCP-2026-001", False) == (
        answer.status,
        answer.earned_points,
        answer.new_balance,
        answer.receipt_id,
        answer.provisional,
    )
    assert [("1", 450)] == shop.booked()
    assert [Cause.FINALIZE_INTENDED, Cause.HOST_ACCEPTED] == shop.notes.causes[-2:]
    assert not done.replayed


async def test_a_sale_needs_no_quote() -> None:
    """Quoted on the spot, with what the POS says was sold."""
    shop = Shop()
    lines = (BasketLine("COFFEE", Decimal(1)), BasketLine("SMOKES", Decimal(1), Decimal(50), "tobacco"))

    done = await shop.finalize(finalize(await shop.opened(), "150.00", lines=lines))

    assert 300 == done.answer.earned_points


@pytest.mark.parametrize("away", ["", "cache", "record", "both"])
async def test_an_equal_call_gets_equal_bytes(away: str) -> None:
    """From the mirror, from the record, or made anew; the host is asked once."""
    shop = Shop()
    session_id = await shop.quoted()
    first = await shop.finalize(finalize(session_id, "150.00"))
    if away in {"cache", "both"}:
        shop.cache.clear()
    if away in {"record", "both"}:
        shop.store.clear_answers()
    shop.clock.advance(TTL.total_seconds() * 2)

    again = await shop.finalize(finalize(session_id, "150"))

    assert (first.body, first.answer, True) == (again.body, again.answer, again.replayed)
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("promised", [True, False])
async def test_another_payload_is_refused(cached: bool, promised: bool) -> None:
    """What was answered, or is owed, fixes the payload."""
    shop = Shop()
    session_id = await shop.quoted()
    if promised:
        shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    await shop.finalize(finalize(session_id))
    if not cached:
        shop.cache.clear()

    with pytest.raises(TransactionMismatch):
        await shop.finalize(finalize(session_id, "151.00"))


async def test_a_replay_is_for_those_who_may_see_it() -> None:
    """Also from the mirror, a session of others does not exist."""
    shop = Shop()
    session_id = await shop.quoted()
    await shop.finalize(finalize(session_id))

    for stranger in (Caller(ClientId("bolt"), ("*",)), Caller(CALLER.client, ("WEB",))):
        with pytest.raises(SessionNotFound):
            await shop.finalize(msgspec.structs.replace(finalize(session_id), caller=stranger))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"transaction": TransactionId("TX-2")}, TransactionMismatch),
        ({"if_match": 1}, VersionMismatch),
        ({"quote_id": QuoteId("q_other")}, QuoteChanged),
        ({"redeem_points": 100}, QuoteChanged),
    ],
)
async def test_what_does_not_fit_the_session(change: dict[str, Any], error: type[LoyaltyError]) -> None:
    """Nothing is intended and nothing sent."""
    shop = Shop()
    session_id = await shop.quoted()

    with pytest.raises(error):
        await shop.finalize(finalize(session_id, **change))

    assert SessionStatus.CALCULATED is (await shop.session(session_id)).status
    assert HostCall.FINALIZE not in shop.host.calls


async def test_the_version_that_the_till_has_read() -> None:
    """`If-Match` with the current version is no obstacle, and none to the replay."""
    shop = Shop()
    session_id = await shop.quoted()

    first = await shop.finalize(finalize(session_id, if_match=2))
    shop.cache.clear()
    again = await shop.finalize(finalize(session_id, if_match=2))

    assert first.body == again.body


def test_spending_points_on_a_sale_without_rewards() -> None:
    """A contradiction is refused before anything is looked up."""
    with pytest.raises(ValidationFailed, match="redeemPoints"):
        finalize(SessionId(UUID(int=1)), apply_rewards=False, redeem_points=100)


async def test_a_sale_without_rewards() -> None:
    """Nothing is owed: settled at once, without the host, and replayed like any other."""
    shop = Shop()
    session_id = await shop.quoted()

    first = await shop.finalize(finalize(session_id, apply_rewards=False))
    again = await shop.finalize(finalize(session_id, apply_rewards=False))

    assert (SessionStatus.FINALIZED, 0, 1200) == (
        first.answer.status,
        first.answer.earned_points,
        first.answer.new_balance,
    )
    assert (first.body, True) == (again.body, again.replayed)
    assert HostCall.FINALIZE not in shop.host.calls


# -- which figures are committed


async def test_a_quote_is_honoured_though_the_program_changed() -> None:
    """What the customer was shown is what they get."""
    shop = Shop(authority=Authority.LOCAL)
    session_id = await shop.opened()
    quote = await shop.calculate(calculate(session_id))
    shop.programs.program = msgspec.structs.replace(built_in_program(), version="2", points_per_unit=Decimal(3))

    done = await shop.finalize(finalize(session_id, quote_id=QuoteId(quote.quote_id)))

    assert 450 == done.answer.earned_points


async def test_without_the_quotes_id_the_program_in_force_counts() -> None:
    """The points are computed afresh where the till does not insist."""
    shop = Shop(authority=Authority.LOCAL)
    session_id = await shop.quoted()
    shop.programs.program = msgspec.structs.replace(built_in_program(), version="2", points_per_unit=Decimal(3))

    done = await shop.finalize(finalize(session_id))

    assert 675 == done.answer.earned_points


async def test_a_quote_that_no_longer_fits_says_both_figures() -> None:
    """The till shows the customer the new one."""
    shop = Shop()
    session_id = await shop.opened()
    quote = await shop.calculate(calculate(session_id))

    with pytest.raises(QuoteChanged) as changed:
        await shop.finalize(finalize(session_id, "100.00", quote_id=QuoteId(quote.quote_id)))

    assert (450, 300) == (changed.value.quoted_points, changed.value.current_points)


async def test_a_quote_named_where_there_is_none() -> None:
    """Nothing was quoted, so there is one figure only."""
    shop = Shop()

    with pytest.raises(QuoteChanged) as changed:
        await shop.finalize(finalize(await shop.opened(), quote_id=QuoteId("q_1")))

    assert (None, 450) == (changed.value.quoted_points, changed.value.current_points)


async def test_a_redemption_is_booked_as_quoted() -> None:
    """The host agreed to it in the quote; repeated in finalize it is spent."""
    shop = Shop()
    session_id = await shop.quoted(redeem=1000)

    done = await shop.finalize(finalize(session_id, redeem_points=1000))

    assert [("1", 420), ("1", -1000)] == shop.booked()
    assert 620 == done.answer.new_balance
    assert 1000 == (await shop.session(session_id)).redeemed_points


async def test_a_redemption_quoted_and_not_repeated() -> None:
    """Absent means none; the till has to say what it has promised the customer."""
    shop = Shop()
    session_id = await shop.quoted(redeem=1000)

    with pytest.raises(QuoteChanged):
        await shop.finalize(finalize(session_id))


async def test_a_redemption_that_the_host_has_not_confirmed() -> None:
    """A quote without its consent is none."""
    shop = Shop()
    session_id = await shop.quoted(redeem=1000)
    session = await shop.session(session_id)
    assert session.quote is not None
    unconfirmed = msgspec.structs.replace(session.quote, host=None)
    shop.store.replace(msgspec.structs.replace(session, quote=unconfirmed))

    with pytest.raises(QuoteChanged, match="not confirmed"):
        await shop.finalize(finalize(session_id, redeem_points=1000))


# -- what the host says


@pytest.mark.parametrize("quoted", [True, False])
async def test_a_definite_no_takes_the_intent_back(quoted: bool) -> None:
    """The session is as it was, the error says why, and the corrected call goes under a new key."""
    shop = Shop()
    session_id = await (shop.quoted() if quoted else shop.opened())
    shop.host.plan(HostCall.FINALIZE, Course(error=NO))

    with pytest.raises(RejectedByHost) as refused:
        await shop.finalize(finalize(session_id))

    session = await shop.session(session_id)
    assert ("insufficient_points", {"balance": 7}) == (refused.value.reason, refused.value.details)
    assert (SessionStatus.CALCULATED if quoted else SessionStatus.ACTIVE, None) == (session.status, session.intent)
    await shop.finalize(finalize(session_id, "20.00"))
    assert [("2", 60)] == shop.booked()


async def test_refused_credentials() -> None:
    """Nothing was judged and nothing will happen later: the intent is taken back."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostRefusesUs("unauthorized", retry_after=9)))

    with pytest.raises(HostRefusedUs) as refused:
        await shop.finalize(finalize(session_id))

    assert (9, SessionStatus.CALCULATED) == (refused.value.retry_after, (await shop.session(session_id)).status)


@pytest.mark.parametrize("error", LATER, ids=_kind)
async def test_no_judgement_is_a_promise(error: HostError) -> None:
    """The sale is not blocked: it settles later, exactly once, and repeats of the call say the same until then."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=error))

    first = await shop.finalize(finalize(session_id))
    again = await shop.finalize(finalize(session_id))
    await shop.until_settled()
    settled = await shop.finalize(finalize(session_id))

    assert (SessionStatus.FINALIZING, 450, None, True) == (
        first.answer.status,
        first.answer.earned_points,
        first.answer.new_balance,
        first.answer.provisional,
    )
    assert (first.body, True) == (again.body, again.replayed)
    assert (SessionStatus.FINALIZED, first.answer.receipt_id) == (settled.answer.status, settled.answer.receipt_id)
    assert [("1", 450)] == shop.booked()


async def test_a_sale_that_the_host_booked_in_silence_is_found() -> None:
    """The workers ask before they send again, and the sale is booked once. The balance is not told that way."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("reset"), acts=True))
    await shop.finalize(finalize(session_id))

    await shop.until_settled()

    settled = await shop.finalize(finalize(session_id))
    assert (450, None) == (settled.answer.earned_points, settled.answer.new_balance)
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)


async def test_a_promise_that_the_host_refuses_fails_with_its_reason() -> None:
    """Never silently: repeats of the call are told why."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostNotSent("x")), Course(error=NO))
    await shop.finalize(finalize(session_id))

    await shop.until_settled()

    with pytest.raises(SettlementFailed) as failed:
        await shop.finalize(finalize(session_id))
    assert "insufficient_points" == failed.value.reason
    assert [] == shop.booked()


async def test_a_closed_circuit_is_a_promise_at_once() -> None:
    """Intent and promise in one unit of work; nothing is sent."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.closed_for = 8

    first = await shop.finalize(finalize(session_id))

    session = await shop.session(session_id)
    assert session.delivery is not None
    assert session.delivery.next_attempt_at is not None
    assert (True, True) == (session.is_promised, session.delivery.is_unsent)
    assert 8 <= (session.delivery.next_attempt_at - shop.clock.now()).total_seconds()
    shop.cache.clear()
    assert first.body == (await shop.finalize(finalize(session_id))).body
    shop.host.closed_for = 0
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


@pytest.mark.parametrize("closed", [True, False])
async def test_a_redemption_is_not_queued_unsent(closed: bool) -> None:
    """Points are spent with the host's consent or not at all; the session is as it was."""
    shop = Shop()
    session_id = await shop.quoted(redeem=100)
    before = await shop.session(session_id)
    if closed:
        shop.host.closed_for = 4
    else:
        shop.host.plan(HostCall.FINALIZE, Course(error=HostNotSent("x", retry_after=4)))

    with pytest.raises(RedemptionNeedsHost) as needed:
        await shop.finalize(finalize(session_id, redeem_points=100))

    after = await shop.session(session_id)
    assert (4, before.status, before.quote) == (needed.value.retry_after, after.status, after.quote)


async def test_a_redemption_sent_and_unanswered_is_a_promise() -> None:
    """Like any other sale: the host confirmed it in the quote."""
    shop = Shop()
    session_id = await shop.quoted(redeem=100)
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))

    done = await shop.finalize(finalize(session_id, redeem_points=100))

    assert SessionStatus.FINALIZING is done.answer.status


async def test_a_session_that_the_host_has_lost_is_opened_again() -> None:
    """Identified once more, and sent again under the same key."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.lose_sessions()

    done = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZED is done.answer.status
    assert [("1", 450)] == shop.booked()


@pytest.mark.parametrize("redeem", [0, 100])
async def test_a_session_that_the_host_loses_again_and_again(redeem: int) -> None:
    """Once more is enough for a live call; spent points are not left to chance."""
    shop = Shop()
    session_id = await shop.quoted(redeem=redeem)
    lost = Course(error=HostSessionUnknown("session_unknown"))
    shop.host.plan(HostCall.FINALIZE, lost, lost)

    if redeem:
        with pytest.raises(RedemptionNeedsHost):
            await shop.finalize(finalize(session_id, redeem_points=redeem))
        return
    done = await shop.finalize(finalize(session_id))

    assert SessionStatus.FINALIZING is done.answer.status
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


@pytest.mark.parametrize("error", [NO, HostRefusesUs("unauthorized"), HostSilence("timeout")], ids=_kind)
async def test_a_customer_still_to_be_identified(error: HostError) -> None:
    """The step owed since identify comes first; its no is the sale's."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")), Course(error=error))
    session_id = await shop.opened()

    if isinstance(error, HostSilence):
        assert SessionStatus.FINALIZING is (await shop.finalize(finalize(session_id))).answer.status
        return
    with pytest.raises((RejectedByHost, HostRefusedUs)):
        await shop.finalize(finalize(session_id))
    assert SessionStatus.ACTIVE is (await shop.session(session_id)).status


async def test_the_hosts_booking_stands() -> None:
    """If it books another figure, the figure is the answer, and a finding."""
    shop = Shop(authority=Authority.LOCAL)
    session_id = await shop.quoted()

    shop.host._book = _booking_ten_less(shop.host._book)  # type: ignore[method-assign]  # a host with its own mind

    done = await shop.finalize(finalize(session_id))

    assert 440 == done.answer.earned_points
    assert 1 == len(shop.notes.booked)


def _booking_ten_less(book: Any) -> Any:
    def less(order: Any) -> Any:
        return book(msgspec.structs.replace(order, earned_points=order.earned_points - 10))

    return less


# -- twins


async def test_twins_in_one_process_are_one_call() -> None:
    """A hundred duplicates at once: one booking, one answer."""
    shop = Shop()
    session_id = await shop.quoted()

    answers = await asyncio.gather(*(shop.finalize(finalize(session_id)) for _ in range(100)))

    assert 1 == len({answer.body for answer in answers})
    assert [False, *[True] * 99] == [answer.replayed for answer in answers]
    assert [("1", 450)] == shop.booked()


async def test_a_twin_in_another_process_waits_for_the_answer() -> None:
    """It holds nothing while it waits, and gets the answer of record."""
    shop = Shop()
    rival = Shop(shared=shop)
    session_id = await shop.quoted()
    twins: list[asyncio.Task[Any]] = []

    async def twin_arrives() -> None:
        twins.append(asyncio.ensure_future(rival.finalize(finalize(session_id))))
        await asyncio.sleep(0)

    shop.store.plan(Cause.HOST_ACCEPTED, first=twin_arrives)
    first = await shop.finalize(finalize(session_id))

    second = await twins[0]
    assert (first.body, True) == (second.body, second.replayed)
    assert [("1", 450)] == shop.booked()


async def test_a_twin_waits_no_longer_than_its_budget() -> None:
    """Then it is told that the first is still at work."""
    shop = Shop()
    session_id = await shop.quoted()
    await _held_up(shop, session_id)
    began = shop.clock.monotonic()

    with pytest.raises(InFlight):
        await shop.finalize(finalize(session_id))

    assert 9.5 < shop.clock.monotonic() - began <= 10
    assert not (await shop.session(session_id)).is_promised


async def test_a_twin_of_a_call_that_died_is_promised() -> None:
    """Once the lease is over the sale is the workers', and the till is told so, on record."""
    shop = Shop()
    session_id = await shop.quoted()
    await _held_up(shop, session_id)
    shop.clock.advance(15)

    promised = await shop.finalize(finalize(session_id))

    assert (SessionStatus.FINALIZING, True) == (promised.answer.status, promised.replayed)
    assert (await shop.session(session_id)).is_promised
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


async def test_the_promise_to_a_twin_outlives_the_first_calls_no() -> None:
    """What was promised meanwhile is not taken back; it ends failed, with the reason, for both."""
    shop = Shop()
    rival = Shop(shared=shop)
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=NO))

    async def lease_ends_and_a_twin_is_promised() -> None:
        shop.clock.advance(15)
        assert SessionStatus.FINALIZING is (await rival.finalize(finalize(session_id))).answer.status

    shop.store.plan(Cause.HOST_REJECTED, first=lease_ends_and_a_twin_is_promised)

    with pytest.raises(SettlementFailed):
        await shop.finalize(finalize(session_id))

    session = await shop.session(session_id)
    assert (SessionStatus.FAILED, "insufficient_points") == (session.status, session.failure)


async def test_a_call_that_loses_a_race_for_its_intent_decides_again() -> None:
    """Nothing was sent, so nothing is lost."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.store.plan(Cause.FINALIZE_INTENDED, StaleSession())

    assert SessionStatus.FINALIZED is (await shop.finalize(finalize(session_id))).answer.status
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)


async def test_races_end() -> None:
    """Whoever loses every race before anything was intended is told so; nothing was done."""
    shop = Shop()
    session_id = await shop.quoted()
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.FINALIZE_INTENDED, StaleSession())

    with pytest.raises(ConcurrentUpdate):
        await shop.finalize(finalize(session_id))
    assert HostCall.FINALIZE not in shop.host.calls


async def test_storage_away_before_the_intent() -> None:
    """Nothing was done, and that is what the till is told."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.store.plan(Cause.FINALIZE_INTENDED, StorageUnavailable())

    with pytest.raises(StorageUnavailable):
        await shop.finalize(finalize(session_id))
    assert HostCall.FINALIZE not in shop.host.calls


async def test_an_intent_cancelled_under_the_call() -> None:
    """Unsent and its lease over, it may be cancelled by another call; the late one is told what it has become."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))
    session_id = await shop.opened()

    async def lease_ends_and_the_sale_is_cancelled() -> None:
        shop.clock.advance(15)
        await shop.cancel(cancel(session_id))

    shop.store.plan(Cause.ATTEMPT_BEGUN, first=lease_ends_and_the_sale_is_cancelled)

    with pytest.raises(IllegalTransition):
        await shop.finalize(finalize(session_id))
    assert [] == shop.booked()


async def test_a_session_whose_time_is_over() -> None:
    """Expiry is judged in the call."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.clock.advance(TTL.total_seconds())

    with pytest.raises(SessionExpired):
        await shop.finalize(finalize(session_id))


async def test_a_finalizing_session_never_expires() -> None:
    """What is owed is owed."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout")))
    first = await shop.finalize(finalize(session_id))
    shop.clock.advance(TTL.total_seconds() * 2)

    assert first.body == (await shop.finalize(finalize(session_id))).body
