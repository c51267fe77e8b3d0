"""How a session stands, and what is found out by asking."""

import msgspec
import pytest

from loyalty_adapters.memory.host import Course, HostCall
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import LoyaltyError, SessionNotFound, StorageUnavailable
from loyalty_core.domain.identifiers import ClientId, SessionId
from loyalty_core.domain.session import Cause, SessionStatus
from loyalty_core.ports.loyalty_host import HostError, HostNotSent, HostSessionUnknown, HostSilence
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.use_cases.answers import encode
from tests.unit.use_cases.shop import TTL, Shop, finalize, status


async def _unanswered(shop: Shop, *, booked: bool) -> SessionId:
    session_id = await shop.quoted()
    shop.host.plan(HostCall.FINALIZE, Course(error=HostSilence("timeout"), acts=booked))
    await shop.finalize(finalize(session_id))
    return session_id


async def test_a_quoted_session() -> None:
    """Everything a POS may see, the quote included; it can be written as JSON."""
    shop = Shop()
    session_id = await shop.quoted()

    answer = await shop.status(status(session_id))

    assert answer.quote is not None
    assert (SessionStatus.CALCULATED, 450, 450, None, None, ()) == (
        answer.status,
        answer.earned_points,
        answer.quote.earned_points,
        answer.delivery,
        answer.receipt_id,
        answer.returns,
    )
    assert b'"customerId":"ADA"' in encode(answer)


async def test_a_settled_session() -> None:
    """Booked points, balance and receipt; nothing is asked, because nothing is unknown."""
    shop = Shop()
    session_id = await shop.quoted()
    await shop.finalize(finalize(session_id))

    answer = await shop.status(status(session_id))

    assert answer.delivery is not None
    assert (SessionStatus.FINALIZED, 450, 1650, "RCP-2026-001", False, False, 1) == (
        answer.status,
        answer.earned_points,
        answer.new_balance,
        answer.receipt_id,
        answer.provisional,
        answer.delivery.queued,
        answer.delivery.attempts,
    )
    assert HostCall.REPORT not in shop.host.calls


async def test_an_unknown_outcome_is_asked_for_and_settled() -> None:
    """What the host has booked in silence is ours to say from then on, and is not sent again."""
    shop = Shop()
    session_id = await _unanswered(shop, booked=True)

    answer = await shop.status(status(session_id))

    assert (SessionStatus.FINALIZED, 450) == (answer.status, answer.earned_points)
    await shop.until_settled()
    assert 1 == shop.host.calls.count(HostCall.FINALIZE)


async def test_not_found_proves_nothing() -> None:
    """A booking that the host does not report may still be under way."""
    shop = Shop()
    session_id = await _unanswered(shop, booked=False)

    answer = await shop.status(status(session_id))

    assert answer.delivery is not None
    assert (SessionStatus.FINALIZING, True, "timeout") == (
        answer.status,
        answer.delivery.queued,
        answer.delivery.last_error,
    )


@pytest.mark.parametrize(
    "error", [HostSilence("x"), HostNotSent("x"), HostSessionUnknown("x")], ids=lambda e: type(e).__name__
)
async def test_a_host_that_cannot_say(error: HostError) -> None:
    """The answer is what we know ourselves."""
    shop = Shop()
    session_id = await _unanswered(shop, booked=True)
    shop.host.plan(HostCall.REPORT, Course(error=error))

    answer = await shop.status(status(session_id))

    assert SessionStatus.FINALIZING is answer.status


async def test_nobody_is_asked_while_the_circuit_is_open_or_somebody_is_at_work() -> None:
    """A status call adds no load to a host that fails, and overtakes no worker."""
    shop = Shop()
    session_id = await _unanswered(shop, booked=True)
    shop.host.closed_for = 5
    await shop.status(status(session_id))
    shop.host.closed_for = 0
    shop.clock.advance(60)
    await shop.queue.claim_due(1, TTL)
    await shop.status(status(session_id))

    assert HostCall.REPORT not in shop.host.calls


@pytest.mark.parametrize("trouble", [StorageUnavailable(), StaleSession()], ids=lambda e: e.code)
async def test_a_finding_that_cannot_be_recorded(trouble: LoyaltyError) -> None:
    """The next one to ask finds it again."""
    shop = Shop()
    session_id = await _unanswered(shop, booked=True)
    shop.store.plan(Cause.HOST_ACCEPTED, trouble)

    answer = await shop.status(status(session_id))

    expected = SessionStatus.FINALIZED if isinstance(trouble, StaleSession) else SessionStatus.FINALIZING
    assert expected is answer.status
    await shop.until_settled()
    assert [("1", 450)] == shop.booked()


async def test_time_that_ran_out_shows_before_the_sweep() -> None:
    """A session past its time is failed, whoever writes so."""
    shop = Shop()
    session_id = await shop.quoted()
    shop.clock.advance(TTL.total_seconds())

    answer = await shop.status(status(session_id))

    assert (SessionStatus.FAILED, "expired") == (answer.status, answer.failure)


async def test_a_session_of_others() -> None:
    """It does not exist."""
    shop = Shop()
    query = msgspec.structs.replace(status(await shop.opened()), caller=Caller(ClientId("bolt"), ("*",)))

    with pytest.raises(SessionNotFound):
        await shop.status(query)
