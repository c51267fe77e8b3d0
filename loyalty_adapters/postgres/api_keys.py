from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple, TypeVar

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, KeyDigest, KeyId, KeyUse, Scope, check_channels_free, following

ResultT = TypeVar("ResultT")

_ATTEMPTS: Final = 5

_FIND: Final[LiteralString] = """
SELECT id, digest, pepper_id, client_id, channels, scopes, created_at, expires_at, revoked_at, last_used_at
FROM api_keys WHERE id = %(id)s::text
"""
_EVERY: Final[LiteralString] = """
SELECT id, digest, pepper_id, client_id, channels, scopes, created_at, expires_at, revoked_at, last_used_at
FROM api_keys ORDER BY client_id, created_at, id
"""
# Taken before the transaction's first read, so that what it reads is what the one before it has left: two keys that
# overlap are judged one after the other. Readers, which is every call of a till, are not held up.
_ONE_AT_A_TIME: Final[LiteralString] = "LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE"
_ADD: Final[LiteralString] = """
INSERT INTO api_keys (id, digest, pepper_id, client_id, channels, scopes, created_at, expires_at)
VALUES (%(id)s::text, %(digest)s::bytea, %(pepper)s::text, %(client)s::text, %(channels)s::text[], %(scopes)s::text[],
    %(created_at)s::timestamptz, %(expires_at)s::timestamptz)
ON CONFLICT (id) DO NOTHING
"""
_REVOKE: Final[LiteralString] = """
UPDATE api_keys SET revoked_at = coalesce(revoked_at, %(at)s::timestamptz) WHERE id = %(id)s::text
RETURNING id, digest, pepper_id, client_id, channels, scopes, created_at, expires_at, revoked_at, last_used_at
"""
_LOCKED: Final[LiteralString] = """
SELECT id, digest, pepper_id, client_id, channels, scopes, created_at, expires_at, revoked_at, last_used_at
FROM api_keys WHERE id = %(id)s::text FOR UPDATE
"""
_END_AT: Final[LiteralString] = """
UPDATE api_keys SET expires_at = %(ends_at)s::timestamptz WHERE id = %(id)s::text
"""
_RECORD_USES: Final[LiteralString] = """
UPDATE api_keys SET
    last_used_at = greatest(last_used_at, used.at),
    digest = coalesce(used.digest, api_keys.digest),
    pepper_id = coalesce(used.pepper, api_keys.pepper_id)
FROM unnest(%(ids)s::text[], %(ats)s::timestamptz[], %(digests)s::bytea[], %(peppers)s::text[])
    AS used (id, at, digest, pepper)
WHERE api_keys.id = used.id
"""


class _KeyRow(NamedTuple):
    """The columns of a key, in the order in which every statement here reads them."""

    id: str
    digest: bytes
    pepper_id: str
    client_id: str
    channels: list[str]
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def key(self) -> ApiKey:
        """The key, equal to the one that was written."""
        return ApiKey(
            id=KeyId(self.id),
            digest=KeyDigest(self.pepper_id, self.digest),
            client=ClientId(self.client_id),
            channels=tuple(self.channels),
            scopes=frozenset(map(Scope, self.scopes)),
            created_at=self.created_at,
            expires_at=self.expires_at,
            revoked_at=self.revoked_at,
            last_used_at=self.last_used_at,
        )


class PostgresApiKeys:
    """`ApiKeys` in a table."""

    def __init__(self, connections: Connections) -> None:
        self._lane = connections.intake

    async def find(self, key_id: KeyId) -> ApiKey | None:
        """See `ApiKeys.find`."""
        rows = await self._patiently(lambda: self._lane.run(_FIND, {"id": key_id}))
        return _KeyRow(*rows[0]).key() if rows else None

    async def add(self, key: ApiKey) -> None:
        """See `ApiKeys.add`."""

        async def judge_and_write() -> None:
            async with self._lane.connection() as connection, connection.transaction():
                await connection.execute(_ONE_AT_A_TIME)
                cursor = await connection.execute(_EVERY, binary=True)
                check_channels_free(key, [_KeyRow(*row).key() for row in await cursor.fetchall()])
                await connection.execute(_ADD, _parameters(key))

        await self._patiently(judge_and_write)

    async def every(self) -> tuple[ApiKey, ...]:
        """See `ApiKeys.every`."""
        rows = await self._patiently(lambda: self._lane.run(_EVERY, {}))
        return tuple(_KeyRow(*row).key() for row in rows)

    async def revoke(self, key_id: KeyId, at: datetime) -> ApiKey | None:
        """See `ApiKeys.revoke`."""
        rows = await self._patiently(lambda: self._lane.run(_REVOKE, {"id": key_id, "at": at}))
        return _KeyRow(*rows[0]).key() if rows else None

    async def succeed(self, successor: ApiKey, key_id: KeyId, at: datetime, ends_at: datetime) -> ApiKey | None:
        """See `ApiKeys.succeed`."""

        async def write_both() -> ApiKey | None:
            async with self._lane.connection() as connection, connection.transaction():
                row = await (await connection.execute(_LOCKED, {"id": key_id}, binary=True)).fetchone()
                if row is None:
                    return None
                done = await (await connection.execute(_FIND, {"id": successor.id}, binary=True)).fetchone()
                if done is not None:  # by the try before this one, whose commit went unanswered
                    return _KeyRow(*done).key()
                stored, ending = following(_KeyRow(*row).key(), successor, at, ends_at)
                await connection.execute(_END_AT, {"id": key_id, "ends_at": ending.expires_at})
                await connection.execute(_ADD, _parameters(stored))
                return stored

        return await self._patiently(write_both)

    async def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """See `ApiKeys.record_uses`."""
        # In one order in every process, so that two batches never wait for each other in a circle.
        ordered = sorted(uses, key=lambda use: use.id)
        parameters = {
            "ids": [use.id for use in ordered],
            "ats": [use.at for use in ordered],
            "digests": [None if use.digest is None else use.digest.value for use in ordered],
            "peppers": [None if use.digest is None else use.digest.pepper_id for use in ordered],
        }

        async def write() -> None:
            async with self._lane.connection() as connection:
                await connection.execute(_RECORD_USES, parameters)

        await self._patiently(write)

    async def _patiently(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """`work`, again where it met another transaction or lost its connection: doing it twice changes nothing."""
        for _ in range(_ATTEMPTS):
            try:
                return await work()
            except (Conflict, ConnectionLost):
                continue
        raise StorageUnavailable


def _parameters(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "digest": key.digest.value,
        "pepper": key.digest.pepper_id,
        "client": key.client,
        "channels": list(key.channels),
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
