"""Opening a session, and finding again the one that the same call has opened before."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import (
    ChannelNotAllowed,
    ConcurrentUpdate,
    HostRefusedUs,
    LoyaltyError,
    OutcomeUnknown,
    RejectedByHost,
    StorageUnavailable,
    TransactionMismatch,
    ValidationFailed,
)
from loyalty_core.domain.identifiers import ClientId, TransactionId
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import HostError, HostNotJudged, HostNotSent, HostRefusesUs, HostSilence
from loyalty_core.ports.session_store import KeyTaken
from loyalty_core.ports.unit_of_work import Call
from loyalty_core.use_cases.identify_customer import CLOCK_SKEW, OLDEST_UPLOAD, Identify
from loyalty_core.use_cases.transitions import MAX_RACES
from tests.unit.use_cases.shop import CALLER, CHANNEL, TTL, Shop, cancel, finalize, identify, session_of

AWAY: list[HostError] = [
    HostSilence("timeout"),
    HostNotSent("circuit_open"),
    HostNotJudged("too_many_requests"),
]


async def test_a_session_is_opened() -> None:
    """The answer has the customer as the host knows them, and the session lives from the store's now on."""
    shop = Shop()

    opened = await shop.identify(identify(metadata={"lane": 3}))

    answer, session = opened.answer, await shop.session(session_of(opened))
    assert ("Ada Lovelace", 1200, "Gold", False, 1, SessionStatus.ACTIVE) == (
        answer.customer_name,
        answer.current_points,
        answer.tier,
        answer.provisional,
        answer.version,
        answer.status,
    )
    assert (shop.clock.now(), shop.clock.now() + TTL, {"lane": 3}) == (
        session.created_at,
        session.expires_at,
        session.metadata,
    )
    assert session.host_session is not None
    assert not opened.replayed
    assert [Cause.IDENTIFIED] == shop.notes.causes


@pytest.mark.parametrize("cleared", [False, True])
async def test_an_equal_call_gets_equal_bytes(cleared: bool) -> None:
    """Also long after, also once the sale is over, and also where the answer of record was cleared."""
    shop = Shop()
    first = await shop.identify(identify())
    await shop.finalize(finalize(session_of(first)))
    if cleared:
        shop.store.clear_answers()
    shop.clock.advance(TTL.total_seconds() * 2)

    again = await shop.identify(identify())

    assert (first.body, True) == (again.body, again.replayed)
    assert [Call.IDENTIFY] == shop.notes.replays
    assert 1 == shop.host.calls.count(HostCall.IDENTIFY)


@pytest.mark.parametrize(
    "change", [{"customer": "BOB"}, {"metadata": {"lane": 4}}, {"occurred_at": datetime(2025, 12, 31, tzinfo=UTC)}]
)
async def test_another_payload_is_refused(change: dict[str, Any]) -> None:
    """The key of a sale names one payload; nothing is asked of the host for another."""
    shop = Shop()
    await shop.opened()

    with pytest.raises(TransactionMismatch):
        await shop.opened(**change)
    assert 1 == len(shop.host.calls)


async def test_a_key_acts_for_its_channels_only() -> None:
    """A key of other channels gets nowhere, and the host hears nothing."""
    shop = Shop()
    elsewhere = Caller(CALLER.client, ("WEB",))

    with pytest.raises(ChannelNotAllowed, match=CHANNEL):
        await shop.identify(msgspec.structs.replace(identify(), caller=elsewhere))
    assert [] == shop.host.calls


async def test_another_client_is_not_given_the_answer() -> None:
    """Even with a key for the same channel, which no two clients can have."""
    shop = Shop()
    await shop.opened()
    other = Caller(ClientId("bolt"), ("*",))

    with pytest.raises(TransactionMismatch):
        await shop.identify(msgspec.structs.replace(identify(), caller=other))


async def test_the_hosts_no_is_the_answer_and_leaves_nothing() -> None:
    """A customer that the host rejects gets no session, and the corrected call is judged afresh."""
    shop = Shop()

    with pytest.raises(RejectedByHost) as refused:
        await shop.opened(customer="NOBODY")

    assert "invalid_customer" == refused.value.reason
    assert () == shop.store.all()
    assert SessionStatus.ACTIVE is (await shop.session(await shop.opened())).status


async def test_refused_credentials() -> None:
    """Nothing is remembered of the customer for a host that does not accept us."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostRefusesUs("unauthorized", retry_after=7)))

    with pytest.raises(HostRefusedUs) as refused:
        await shop.opened()

    assert 7 == refused.value.retry_after
    assert () == shop.store.all()


@pytest.mark.parametrize("away", AWAY, ids=lambda away: type(away).__name__)
async def test_without_the_host_the_last_that_is_known_will_do(away: HostError) -> None:
    """The sale is not blocked: name, balance and tier are those last told, and said to be provisional."""
    shop = Shop()
    await shop.opened("TX-0")
    shop.host.plan(HostCall.IDENTIFY, Course(error=away))

    opened = await shop.identify(identify())

    answer = opened.answer
    assert ("Ada Lovelace", 1200, "Gold", True) == (
        answer.customer_name,
        answer.current_points,
        answer.tier,
        answer.provisional,
    )
    assert (await shop.session(session_of(opened))).host_session is None


async def test_a_stranger_without_the_host_is_nobody_in_particular() -> None:
    """Nothing is known and nothing is made up."""
    shop = Shop()
    shop.host.plan(HostCall.IDENTIFY, Course(error=HostSilence("timeout")))

    answer = (await shop.identify(identify())).answer

    assert (None, None, None, True) == (
        answer.customer_name,
        answer.current_points,
        answer.tier,
        answer.provisional,
    )


async def test_a_cancelled_sessions_key_is_free() -> None:
    """The wrong card was scanned: another customer under the same transaction is another session."""
    shop = Shop()
    first = await shop.opened(metadata={"card": "wrong"})
    await shop.cancel(cancel(first))

    second = await shop.opened()

    assert first != second


async def test_an_expired_sessions_key_is_free_before_the_sweep() -> None:
    """The old row expires in the very unit of work that opens the new one."""
    shop = Shop()
    first = await shop.opened(metadata={"card": "wrong"})
    shop.clock.advance(TTL.total_seconds())

    second = await shop.opened()

    assert (SessionStatus.FAILED, "expired") == (
        (await shop.session(first)).status,
        (await shop.session(first)).failure,
    )
    assert SessionStatus.ACTIVE is (await shop.session(second)).status
    assert [Cause.IDENTIFIED, Cause.EXPIRED, Cause.IDENTIFIED] == shop.notes.causes


async def test_who_loses_the_race_for_a_key_gets_the_winners_answer() -> None:
    """Two processes identify at once: one session, one answer."""
    shop = Shop()
    rival = Shop(shared=shop)
    answers = []

    async def rival_is_faster() -> None:
        answers.append(await rival.identify(identify()))

    shop.store.plan(Cause.IDENTIFIED, first=rival_is_faster)

    answer = await shop.identify(identify())

    assert (answers[0].body, True) == (answer.body, answer.replayed)
    assert 1 == len(shop.store.all())


async def test_races_end() -> None:
    """Whoever loses every race is told so; nothing was done."""
    shop = Shop()
    for _ in range(MAX_RACES):
        shop.store.plan(Cause.IDENTIFIED, KeyTaken())

    with pytest.raises(ConcurrentUpdate):
        await shop.opened()

    assert shop.store.is_through
    assert 1 == shop.host.calls.count(HostCall.IDENTIFY)


@pytest.mark.parametrize("error", [StorageUnavailable(), OutcomeUnknown()], ids=lambda error: error.code)
async def test_storage_trouble_is_told_as_it_is(error: LoyaltyError) -> None:
    """The call is repeated, and opens the session or finds it."""
    shop = Shop()
    shop.store.plan(Cause.IDENTIFIED, error, written=isinstance(error, OutcomeUnknown))
    with pytest.raises(type(error)):
        await shop.opened()

    again = await shop.identify(identify())

    assert isinstance(error, OutcomeUnknown) is again.replayed
    assert 1 == len(shop.store.all())


async def test_twins_in_one_process_are_one_call() -> None:
    """A hundred duplicates at once: one question to the host, one session, one answer."""
    shop = Shop()

    answers = await asyncio.gather(*(shop.identify(identify()) for _ in range(100)))

    assert 1 == len({answer.body for answer in answers})
    assert [False, *[True] * 99] == [answer.replayed for answer in answers]
    assert [HostCall.IDENTIFY] == shop.host.calls


@pytest.mark.parametrize(
    "late", [-CLOCK_SKEW, timedelta(0), OLDEST_UPLOAD], ids=["ahead of our clock", "now", "a month late"]
)
async def test_a_late_upload(late: timedelta) -> None:
    """A sale may be uploaded so late; it lives from now on all the same."""
    shop = Shop()
    occurred_at = shop.clock.now() - late

    session = await shop.session(await shop.opened(occurred_at=occurred_at))

    assert (occurred_at, shop.clock.now() + TTL) == (session.occurred_at, session.expires_at)


@pytest.mark.parametrize("late", [-CLOCK_SKEW - timedelta(seconds=1), OLDEST_UPLOAD + timedelta(seconds=1)])
async def test_too_late_or_not_yet(late: timedelta) -> None:
    """A second further, either way, is refused, and the host is not asked."""
    shop = Shop()

    with pytest.raises(ValidationFailed, match="occurredAt"):
        await shop.opened(occurred_at=shop.clock.now() - late)
    assert [] == shop.host.calls


async def test_a_moment_is_a_moment_in_any_zone() -> None:
    """The same instant written with another offset is the same payload."""
    shop = Shop()
    noon = shop.clock.now()
    first = await shop.identify(identify(occurred_at=noon))

    again = await shop.identify(identify(occurred_at=noon.astimezone(timezone(timedelta(hours=-6)))))

    assert first.body == again.body


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - without a zone, on purpose
        {"customer": ""},
        {"transaction": TransactionId("a b")},
        {"metadata": {"x": "y" * 5000}},
    ],
)
def test_a_call_that_no_service_could_carry_out(change: dict[str, Any]) -> None:
    """Refused before anything is looked up."""
    fields: dict[str, Any] = {"caller": CALLER, "customer": "ADA", "channel": CHANNEL, "transaction": "TX-1", **change}
    with pytest.raises(ValidationFailed):
        Identify(**fields)
