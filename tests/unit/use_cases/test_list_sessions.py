"""A client reads its own ended sessions, page by page."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from loyalty_adapters.memory.session_directory import MemorySessionDirectory
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.domain.session import SessionStatus
from loyalty_core.use_cases.list_sessions import PAGE, ListOwnSessions, ListSessions
from tests.unit.use_cases.counter import amount, give_back, sold
from tests.unit.use_cases.shop import CALLER, Shop, cancel


def listing(shop: Shop) -> ListSessions:
    return ListSessions(MemorySessionDirectory(shop.store))


def own(**query: Any) -> ListOwnSessions:
    return ListOwnSessions(**{"caller": CALLER, **query})


async def _cancelled(shop: Shop, number: int) -> None:
    await shop.cancel(cancel(await shop.opened(f"TX-{number}")))
    shop.clock.advance(1)


async def test_a_session_shows_what_became_of_it() -> None:
    """Its figures and its keys, as they are now."""
    shop = Shop()
    session_id = await sold(shop)
    shop.clock.advance(1)
    await shop.give_back(give_back(session_id, request=amount("50")))
    session = await shop.session(session_id)
    (shown,) = (await listing(shop)(own())).sessions
    assert ("partially_returned", 450, 150, 0, None) == (
        shown.status, shown.earned_points, shown.points_reversed, shown.redeemed_points, shown.failure
    )  # fmt: skip
    assert session.intent is not None
    assert (session.intent.receipt, session.closed_at, session.finalized_at) == (
        shown.receipt_id, shown.closed_at, shown.finalized_at
    )  # fmt: skip
    assert ("ADA", "POS-1", "TX-1", session.version) == (
        shown.customer_id, shown.channel_id, shown.transaction_id, shown.version
    )  # fmt: skip


async def test_pages_follow_one_another() -> None:
    """A full page says where the next one begins; the last one says that it is the last."""
    shop = Shop()
    for number in range(PAGE + 3):
        await _cancelled(shop, number)
    first = await listing(shop)(own())
    assert (PAGE, True) == (len(first.sessions), first.next_cursor is not None)
    second = await listing(shop)(own(cursor=first.next_cursor))
    assert (3, None) == (len(second.sessions), second.next_cursor)
    numbers = [it.transaction_id for page in (first, second) for it in page.sessions]
    assert [f"TX-{number}" for number in range(PAGE + 3)] == numbers


async def test_what_is_asked_for_is_what_comes() -> None:
    """Of the statuses named, since the time named, and the caller's own alone."""
    shop = Shop()
    await _cancelled(shop, 1)
    since = shop.clock.now()
    await _cancelled(shop, 2)
    assert ["TX-2"] == [it.transaction_id for it in (await listing(shop)(own(settled_since=since))).sessions]
    assert () == (await listing(shop)(own(statuses=(SessionStatus.FAILED,)))).sessions
    assert () == (await listing(shop)(own(caller=Caller(ClientId("other"), ("*",))))).sessions


def test_only_ended_sessions_can_be_asked_for() -> None:
    """What has not ended is in nobody's books yet."""
    with pytest.raises(ValidationFailed, match=r"must be one of cancelled, failed, .*, not active"):
        own(statuses=(SessionStatus.FAILED, SessionStatus.ACTIVE))


def test_a_time_has_a_zone() -> None:
    """Otherwise it would be another time somewhere else."""
    with pytest.raises(ValidationFailed, match="time zone"):
        own(settled_since=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "ÿ",
        "a" * 5,
        base64.urlsafe_b64encode(b"\xff").decode(),
        _encoded("nonsense"),
        _encoded(f"2026-01-01T00:00:00 sess_{'0' * 32}"),
        _encoded("2026-01-01T00:00:00+00:00 sess_1"),
    ],
)
async def test_a_cursor_of_nobodys_is_refused(cursor: str) -> None:
    """It never comes to a question of what it might have meant."""
    with pytest.raises(ValidationFailed, match="nextCursor"):
        await listing(Shop())(own(cursor=cursor))


async def test_a_session_that_has_not_ended_is_a_mistake_of_the_directory() -> None:
    """It is told apart from an answer."""

    class Confused(MemorySessionDirectory):
        async def closed(self, query: Any) -> Any:  # noqa: ARG002 - confused
            session = await shop.session(session_id)
            return (msgspec.structs.replace(session, closed_at=None),)

    shop = Shop()
    session_id = await shop.opened()
    with pytest.raises(ValueError, match="ended"):
        await ListSessions(Confused(shop.store))(own(settled_since=datetime.now(UTC) - timedelta(days=1)))
