import asyncio
import random
from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

from loyalty_adapters.postgres.connections import Connections, Row
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_adapters.postgres.loaded_rows import loaded
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.ports.delivery_queue import QueueDepth
from loyalty_core.ports.session_store import Loaded

# A claim is no transition: it makes a version, so that nobody writes over it, and no entry in the timeline.
_CLAIM_DUE: Final[LiteralString] = """
WITH due AS (
    SELECT s.ctid AS address
      FROM sessions s
     WHERE s.next_attempt_at <= statement_timestamp() AND s.parked_at IS NULL
       AND NOT EXISTS (
            SELECT FROM sessions older
             WHERE older.customer_id = s.customer_id AND (older.begun_at, older.id) < (s.begun_at, s.id)
               AND older.next_attempt_at IS NOT NULL AND older.parked_at IS NULL
               AND (older.claimed_until > statement_timestamp()
                    OR older.next_attempt_at <= statement_timestamp() + %(soon)s::interval)
           )
     ORDER BY s.begun_at, s.id
     LIMIT %(limit)s::int8
       FOR UPDATE OF s SKIP LOCKED
)
UPDATE sessions s
   SET version = s.version + 1, claimed_until = statement_timestamp() + %(lease)s::interval,
       next_attempt_at = statement_timestamp() + %(lease)s::interval
  FROM due
 WHERE s.ctid = due.address
RETURNING
       statement_timestamp(),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'identify'),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'finalize'),
       s.id, s.client_id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.opening, s.tier,
       s.created_at, s.expires_at, s.occurred_at, s.metadata, s.host_session, s.quote, s.intent, s.redeemed_points,
       s.points_reversed, s.points_restored, s.booked_points, s.new_balance, s.intents, s.delivery_number, s.begun_at,
       s.next_attempt_at, s.attempts, s.unanswered, s.sent_at, s.accepted_at, s.claimed_until, s.last_error,
       s.parked_at, s.finalized_at, s.failure, s.deleted_at, s.closed_at, false,
       s.ctid::text
"""

_DEPTH: Final[LiteralString] = """
SELECT (SELECT count(*) FROM sessions WHERE next_attempt_at IS NOT NULL AND parked_at IS NULL),
       (SELECT count(*) FROM sessions WHERE parked_at IS NOT NULL),
       (SELECT min(begun_at) FROM sessions WHERE next_attempt_at IS NOT NULL AND parked_at IS NULL)
"""

_DUE_SOON: Final = timedelta(seconds=5)
_ATTEMPTS: Final = 5
_POLL: Final = 0.5


class PostgresDeliveryQueue:
    """The `DeliveryQueue` port on PostgreSQL: the rows of the sessions themselves, through partial indexes.

    Waiting polls. A NOTIFY takes one lock for the whole database at every commit: 16 connections that committed 6,000
    times a second without it did so 800 to 3,900 times with it. And hardly anything is due at the moment it is written,
    because an intent begins with a lease and a failed attempt with a back-off.
    """

    def __init__(self, connections: Connections, addresses: RowAddresses) -> None:
        self._connections = connections
        self._addresses = addresses

    async def claim_due(self, limit: int, lease: timedelta) -> tuple[Loaded, ...]:
        """See `DeliveryQueue.claim_due`. Where other workers keep getting in between, nothing is claimed this time."""
        parameters = {"limit": limit, "lease": lease, "soon": _DUE_SOON}
        claimed: list[Row] = []
        for _ in range(_ATTEMPTS):
            try:
                claimed = await self._connections.outcome.run(_CLAIM_DUE, parameters)
                break
            except Conflict:
                await asyncio.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - spreads retries, guards nothing
            except ConnectionLost:
                raise StorageUnavailable from None  # what was claimed all the same comes back when its lease ends
        return tuple(sorted((loaded(row, self._addresses) for row in claimed), key=_age))

    async def depth(self) -> QueueDepth:
        """See `DeliveryQueue.depth`."""
        ((waiting, parked, oldest),) = await read(self._connections.intake, _DEPTH, {})
        return QueueDepth(waiting=waiting, parked=parked, oldest_intent_at=oldest)

    async def wait(self, seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        await asyncio.sleep(min(seconds, _POLL))


def _age(claimed: Loaded) -> tuple[datetime, UUID]:
    """Sorts the oldest intent first; a statement that updates returns its rows as it pleases."""
    delivery = claimed.session.delivery
    return claimed.now if delivery is None else delivery.begun_at, claimed.session.id
