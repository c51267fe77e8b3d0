"""The mirror of answers is asked where somebody may have been answered before, and a hint is never more than one."""

from typing import Any

from typing_extensions import override

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.use_cases import left_open
from loyalty_core.use_cases.left_open import LeftOpen
from tests.contracts.sales import new_session
from tests.unit.use_cases.shop import Shop, finalize


class AskedCache(MemoryAnswerCache):
    asked = 0

    @override
    async def get(self, *call: Any, **item: Any) -> CachedAnswer | None:
        self.asked += 1
        return await super().get(*call, **item)


def watched(shop: Shop) -> AskedCache:
    cache = AskedCache(shop.clock)
    shop.finalize._cache = cache
    return cache


async def test_the_first_finalize_of_a_quoted_session_asks_no_mirror() -> None:
    """It was quoted here a moment ago; its repeat does ask."""
    shop = Shop()
    cache = watched(shop)
    session = await shop.quoted()
    await shop.finalize(finalize(session, "150.00"))
    assert 0 == cache.asked
    assert (await shop.finalize(finalize(session, "150.00"))).replayed
    assert 1 == cache.asked


async def test_a_session_that_was_quoted_elsewhere_is_looked_for() -> None:
    """Whoever has not quoted it cannot tell."""
    shop = Shop()
    session = await shop.quoted()
    other = Shop(shared=shop)
    cache = watched(other)
    await other.finalize(finalize(session, "150.00"))
    assert 1 == cache.asked


async def test_what_another_process_has_finalized_is_found_without_the_mirror() -> None:
    """The hint was wrong by then, and the call gets the very bytes of the first answer all the same."""
    shop = Shop()
    session = await shop.quoted()
    first = await Shop(shared=shop).finalize(finalize(session, "150.00"))
    again = await shop.finalize(finalize(session, "150.00"))
    assert (first.body, True) == (again.body, again.replayed)


def test_only_so_many_are_remembered(monkeypatch: Any) -> None:
    """The oldest makes room."""
    monkeypatch.setattr(left_open, "_REMEMBERED", 2)
    sessions, hints = [new_session().id for _ in range(3)], LeftOpen()
    for session in sessions:
        hints.note(session)
    assert [False, True, True] == [hints.take(session) for session in sessions]
    assert [False, False, False] == [hints.take(session) for session in sessions]
