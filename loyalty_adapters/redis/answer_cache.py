import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from loyalty_adapters.redis.shared_connection import Command, RedisAway, SharedConnection, TooManyAsk
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.unit_of_work import Call

_KEPT: Final = 600  # seconds
# The number tells versions of `CachedAnswer` apart: an old process never reads what it would not understand.
_PREFIX: Final = "loyalty:answer:1"
_PATIENCE: Final = 0.05  # seconds for one answer
_COOL_DOWN: Final = 1.0  # seconds in which a cache that failed is not asked again


class CacheEvent(StrEnum):
    """What came of asking the cache, for metrics."""

    HIT = "hit"
    MISS = "miss"
    STORED = "stored"
    FAILED = "failed"
    """It was asked, and could not be reached, or refused."""
    SPARED = "spared"
    """It was not asked: it failed a moment ago, or too many wait for it."""


class RedisAnswerCache:
    """The `AnswerCache` port on Redis or Valkey.

    After a failure the cache is left alone for a second; then one call tries it, and the others go on without it until
    that one has succeeded. So an absent cache costs one call a second a few milliseconds, and the rest nothing.
    """

    def __init__(
        self,
        connection: SharedConnection,
        *,
        on_event: Callable[[CacheEvent], None] | None = None,
        around: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> None:
        """`on_event` is told of every call; it must be quick and may not raise.

        `around` gives, by a command's name, what to have around the wait for it.
        """
        self._connection = connection
        self._on_event = on_event
        self._around = around
        self._retry_at = 0.0

    async def get(self, call: Call, session_id: SessionId, *, item: str = "") -> CachedAnswer | None:
        """See `AnswerCache.get`."""
        if not self._may_ask():
            return None
        try:
            with self._around("GET"):
                held = await self._connection.ask("GET", _key(call, session_id, item), within=_PATIENCE)
        except _TROUBLE as trouble:
            self._failed(trouble)
            return None
        answer = _read(held)
        self._succeeded(CacheEvent.MISS if answer is None else CacheEvent.HIT)
        return answer

    async def put(self, call: Call, session_id: SessionId, answer: CachedAnswer, *, item: str = "") -> None:
        """See `AnswerCache.put`. It is on its way when this returns: no POS waits for Redis to have taken it."""
        if not self._may_ask():
            return
        command = ("SET", _key(call, session_id, item), _ENCODER.encode(answer), "EX", _KEPT)
        try:
            with self._around("SET"):
                self._connection.put(_Put(command, self._was_put))
        except TooManyAsk as trouble:
            self._failed(trouble)

    def _was_put(self, trouble: Exception | None) -> None:
        if trouble is None:
            self._succeeded(CacheEvent.STORED)
        else:
            self._failed(trouble)

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now < self._retry_at:
            self._tell(CacheEvent.SPARED)
            return False
        if self._retry_at:
            self._retry_at = now + _COOL_DOWN  # this call tries it; nobody else does meanwhile
        return True

    def _failed(self, trouble: Exception) -> None:
        if isinstance(trouble, TooManyAsk):
            self._tell(CacheEvent.SPARED)
            return
        self._retry_at = time.monotonic() + _COOL_DOWN
        self._tell(CacheEvent.FAILED)

    def _succeeded(self, event: CacheEvent) -> None:
        self._retry_at = 0.0
        self._tell(event)

    def _tell(self, event: CacheEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)


class _Put:
    """An answer on its way to where it is kept; nobody waits for it."""

    __slots__ = ("_command", "_ended")

    def __init__(self, command: Command, ended: Callable[[Exception | None], None]) -> None:
        """`ended` is told what went wrong, if anything did."""
        self._command = command
        self._ended = ended

    def command(self) -> Command:
        return self._command

    def answered(self, reply: Any) -> None:
        self._ended(reply if isinstance(reply, ResponseError) else None)

    def failed(self) -> None:
        self._ended(RedisAway())


def _read(held: bytes | str | None) -> CachedAnswer | None:
    """The answer, or None where nothing is held, or nothing that we wrote."""
    if not isinstance(held, bytes):
        return None
    try:
        return _DECODER.decode(held)
    except msgspec.DecodeError:
        return None


def _key(call: Call, session_id: SessionId, item: str) -> str:
    return f"{_PREFIX}:{call.value}:{session_id.hex}:{item}"


_TROUBLE: Final = (RedisAway, TooManyAsk, ResponseError)
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CachedAnswer)
