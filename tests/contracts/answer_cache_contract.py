"""What every `AnswerCache` promises."""

from loyalty_core.domain.identifiers import ChannelId, ClientId
from loyalty_core.ports.answer_cache import AnswerCache, CachedAnswer
from loyalty_core.ports.unit_of_work import Call
from tests.contracts.sales import new_session


def an_answer(body: bytes = b'{"earnedPoints": 450}\x00\xff') -> CachedAnswer:
    return CachedAnswer(client=ClientId("acme"), channel=ChannelId("POS-1"), fingerprint="f" * 64, body=body)


class AnswerCacheContract:
    """Subclasses supply the fixture `cache`, empty."""

    async def test_what_was_never_put_is_a_miss(self, cache: AnswerCache) -> None:
        """An unknown session has no answer."""
        assert await cache.get(Call.FINALIZE, new_session().id) is None

    async def test_an_answer_comes_back_byte_for_byte(self, cache: AnswerCache) -> None:
        """With everything that is needed to judge who may have it."""
        session, answer = new_session().id, an_answer()
        await cache.put(Call.FINALIZE, session, answer)
        assert answer == await cache.get(Call.FINALIZE, session)

    async def test_each_call_has_an_answer_of_its_own(self, cache: AnswerCache) -> None:
        """The answer of one call is never given to another, nor to another session."""
        session = new_session().id
        await cache.put(Call.FINALIZE, session, an_answer())
        assert await cache.get(Call.IDENTIFY, session) is None
        assert await cache.get(Call.FINALIZE, new_session().id) is None

    async def test_a_later_answer_takes_the_place_of_an_earlier_one(self, cache: AnswerCache) -> None:
        """What was put last is what is held."""
        session = new_session().id
        await cache.put(Call.FINALIZE, session, an_answer(b"first"))
        await cache.put(Call.FINALIZE, session, an_answer(b"second"))
        assert an_answer(b"second") == await cache.get(Call.FINALIZE, session)
