from typing import Protocol

import msgspec

from loyalty_core.domain.identifiers import ChannelId, ClientId, SessionId
from loyalty_core.ports.unit_of_work import Call


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A final answer, with what is needed to judge whether a call may have it."""

    client: ClientId
    channel: ChannelId
    fingerprint: str
    body: bytes


class AnswerCache(Protocol):
    """A mirror of final answers, kept about ten minutes. Only answers that can never change are put in it.

    Its absence only slows: neither method raises, a failure is a miss, and neither takes longer than a few
    milliseconds before it gives up.
    """

    async def get(self, call: Call, session_id: SessionId, *, item: str = "") -> CachedAnswer | None:
        """The answer, or None where it is not held or the cache is away. `item` as in `StoredAnswer`."""
        ...

    async def put(self, call: Call, session_id: SessionId, answer: CachedAnswer, *, item: str = "") -> None:
        """Hold the answer for a while: from now on for whoever asks here, in a moment for whoever asks elsewhere."""
        ...
