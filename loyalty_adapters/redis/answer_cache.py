import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Final

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MaxConnectionsError, RedisError

from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.unit_of_work import Call

_KEPT: Final = 600  # seconds
# The number tells versions of `CachedAnswer` apart: an old process never reads what it would not understand.
_PREFIX: Final = "loyalty:answer:1"
_PATIENCE: Final = 0.05  # seconds for a socket to connect, and for one answer
_COOL_DOWN: Final = 1.0  # seconds in which a cache that failed is not asked again


class CacheEvent(StrEnum):
    """What came of asking the cache, for metrics."""

    HIT = "hit"
    MISS = "miss"
    STORED = "stored"
    FAILED = "failed"
    """It was asked, and could not be reached, or refused."""
    SPARED = "spared"
    """It was not asked: it failed a moment ago, or all our connections to it are at work."""


class RedisAnswerCache:
    """The `AnswerCache` port on Redis or Valkey.

    After a failure the cache is left alone for a second; then one call tries it, and the others go on without it until
    that one has succeeded. So an absent cache costs one call a second a few milliseconds, and the rest nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 32,
        on_event: Callable[[CacheEvent], None] | None = None,
        around: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> None:
        """Connects on first use. `on_event` is told of every call; it must be quick and may not raise.

        `around` gives, by a command's name, what to have around it while it runs.
        """
        pool = ConnectionPool.from_url(
            url,
            max_connections=connections,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis = Redis(connection_pool=pool)
        self._on_event = on_event
        self._around = around
        self._retry_at = 0.0

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def ping(self) -> None:
        """Return once the cache has answered, asked even where it failed a moment ago.

        Raises:
            RedisError, OSError: it does not.
        """
        await self._redis.ping()

    async def get(self, call: Call, session_id: SessionId, *, item: str = "") -> CachedAnswer | None:
        """See `AnswerCache.get`."""
        if not self._may_ask():
            return None
        try:
            with self._around("GET"):
                held = await self._redis.get(_key(call, session_id, item))
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        answer = _read(held)
        self._succeeded(CacheEvent.MISS if answer is None else CacheEvent.HIT)
        return answer

    async def put(self, call: Call, session_id: SessionId, answer: CachedAnswer, *, item: str = "") -> None:
        """See `AnswerCache.put`."""
        if not self._may_ask():
            return
        try:
            with self._around("SET"):
                await self._redis.set(_key(call, session_id, item), _ENCODER.encode(answer), ex=_KEPT)
        except (RedisError, OSError) as error:
            self._failed(error)
        else:
            self._succeeded(CacheEvent.STORED)

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now < self._retry_at:
            self._tell(CacheEvent.SPARED)
            return False
        if self._retry_at:
            self._retry_at = now + _COOL_DOWN  # this call tries it; nobody else does meanwhile
        return True

    def _failed(self, error: Exception) -> None:
        if isinstance(error, MaxConnectionsError):  # ours are all at work: that says nothing about the cache
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


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CachedAnswer)
