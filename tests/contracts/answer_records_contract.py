"""What every `AnswerRecords` promises, arranged through the `SessionStore` whose answers it drops."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NamedTuple

from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.answer_records import AnswerRecords
from loyalty_core.ports.session_store import SessionStore
from loyalty_core.ports.unit_of_work import Call, StoredAnswer
from tests.contracts.sales import loaded, new_session, store_now, unit

MINUTE: Final = timedelta(minutes=1)


class Drawer(NamedTuple):
    """The records, the store they belong to, and how to make time pass; no answer at first."""

    records: AnswerRecords
    store: SessionStore
    age: Callable[[timedelta], Awaitable[None]]

    async def answered(self) -> Session:
        """A session just opened, with its answer."""
        session = new_session()
        answer = StoredAnswer(call=Call.IDENTIFY, body=b"opened")
        await self.store.commit(unit(None, session, Cause.IDENTIFIED, answer=answer))
        return session

    async def kept(self, *sessions: Session) -> list[bool]:
        return [bool((await loaded(self.store, session)).answers) for session in sessions]

    async def clear(self, limit: int = 100) -> int:
        return await self.records.clear_answers(await store_now(self.store) - 10 * MINUTE, limit)

    async def overdue(self) -> int:
        return await self.records.count_answers(await store_now(self.store) - 10 * MINUTE)


class AnswerRecordsContract:
    """Subclasses supply the fixture `drawer`."""

    async def test_old_answers_go(self, drawer: Drawer) -> None:
        """Those given before the moment named, and no others; the sessions stay as they are."""
        old = await drawer.answered()
        await drawer.age(11 * MINUTE)
        young = await drawer.answered()
        assert (1, 1, 0, 0) == (
            await drawer.overdue(),
            await drawer.clear(),
            await drawer.overdue(),
            await drawer.clear(),
        )
        assert [False, True] == await drawer.kept(old, young)
        assert old == (await loaded(drawer.store, old)).session

    async def test_a_replaced_answer_is_as_young_as_its_last_word(self, drawer: Drawer) -> None:
        """An answer written again stays for its time from then on."""
        session = await drawer.answered()
        await drawer.age(11 * MINUTE)
        again = session.host_session_lost()
        answer = StoredAnswer(call=Call.IDENTIFY, body=b"opened again")
        await drawer.store.commit(unit(session, again, Cause.HOST_SESSION_LOST, answer=answer))
        assert 0 == await drawer.clear()
        assert {Call.IDENTIFY: b"opened again"} == (await loaded(drawer.store, session)).answers

    async def test_a_batch_has_its_limit(self, drawer: Drawer) -> None:
        """No more at once than asked for, the oldest first, and in the end all of them."""
        sessions = []
        for _ in range(5):
            sessions.append(await drawer.answered())
            await drawer.age(MINUTE)
        await drawer.age(10 * MINUTE)
        seen = []
        for expected in (2, 2, 1, 0):
            assert expected == await drawer.clear(limit=2)
            seen.append(await drawer.kept(*sessions))
        assert [[False] * 2 + [True] * 3, [False] * 4 + [True], [False] * 5, [False] * 5] == seen
