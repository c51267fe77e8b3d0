import asyncio
import random
from datetime import timedelta
from typing import Final, LiteralString

import msgspec

from loyalty_adapters.postgres.connections import Connections, Row
from loyalty_adapters.postgres.errors import Conflict, ConnectionLost
from loyalty_adapters.postgres.loaded_rows import loaded
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.delivery_queue import QueueDepth
from loyalty_core.ports.session_store import Loaded

# A claim is no transition: it makes a version, so that nobody writes over it, and no entry in the timeline.
#
# An outage begins on statistics that know of no queue. Left free, the planner then joins `s` with `older` by reading
# the whole queue once for every row in it: a minute for ten thousand. OFFSET 0 forbids that join, and each side can
# use one index alone, for their predicates differ.
_CLAIM_DUE: Final[LiteralString] = """
WITH due AS (
    SELECT s.ctid AS address, statement_timestamp() + %(lease)s::interval AS until
      FROM sessions s
     WHERE s.owed_next_at <= statement_timestamp() AND s.owed_parked_at IS NULL
       AND NOT EXISTS (
            SELECT FROM sessions older
             WHERE older.customer_id = s.customer_id AND (older.owed_since, older.id) < (s.owed_since, s.id)
               AND older.owed_since IS NOT NULL AND older.owed_parked_at IS NULL
               AND (older.owed_claimed_until > statement_timestamp()
                    OR older.owed_next_at <= statement_timestamp() + %(soon)s::interval)
            OFFSET 0
           )
     ORDER BY s.owed_since, s.id
     LIMIT %(limit)s::int8
       FOR UPDATE OF s SKIP LOCKED
), claimed AS (
    UPDATE sessions s
       SET version = s.version + 1, owed_claimed_until = due.until, owed_next_at = due.until,
           claimed_until = CASE WHEN s.owed_return IS NULL THEN due.until ELSE s.claimed_until END,
           next_attempt_at = CASE WHEN s.owed_return IS NULL THEN due.until ELSE s.next_attempt_at END
      FROM due
     WHERE s.ctid = due.address
    RETURNING s.*, due.until, s.ctid AS address
), claimed_returns AS (
    UPDATE returns r
       SET claimed_until = s.until, next_attempt_at = s.until
      FROM claimed s
     WHERE s.owed_return IS NOT NULL AND r.session_id = s.id AND r.return_id = s.owed_return
)
SELECT statement_timestamp(),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'identify'),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'finalize'),
       s.id, s.client_id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.opening, s.tier,
       s.created_at, s.expires_at, s.occurred_at, s.metadata, s.host_session, s.quote, s.intent, s.redeemed_points,
       s.points_reversed, s.points_restored, s.booked_points, s.new_balance, s.intents, s.delivery_number, s.begun_at,
       s.next_attempt_at, s.attempts, s.unanswered, s.sent_at, s.accepted_at, s.claimed_until, s.last_error,
       s.parked_at, s.finalized_at, s.failure, s.deleted_at, s.closed_at,
       CASE WHEN s.return_count > 0 THEN (SELECT returns FROM returned_goods WHERE session_id = s.id) END, false,
       s.address::text
  FROM claimed s
 ORDER BY s.owed_since, s.id
"""

_DEPTH: Final[LiteralString] = """
SELECT (SELECT count(*) FROM sessions WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL),
       (SELECT count(*) FROM sessions WHERE owed_parked_at IS NOT NULL),
       (SELECT min(owed_since) FROM sessions WHERE owed_next_at IS NOT NULL AND owed_parked_at IS NULL)
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
        return tuple(_leased(loaded(row, self._addresses), lease) for row in claimed)

    async def depth(self) -> QueueDepth:
        """See `DeliveryQueue.depth`."""
        ((waiting, parked, oldest),) = await read(self._connections.intake, _DEPTH, {})
        return QueueDepth(waiting=waiting, parked=parked, oldest_intent_at=oldest)

    async def wait(self, seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        await asyncio.sleep(min(seconds, _POLL))


def _leased(claimed: Loaded, lease: timedelta) -> Loaded:
    """`claimed` with the lease on its return too: a statement sees the rows of other tables as they were before it."""
    session = claimed.session
    owed = first_owed(session)
    if owed is None or owed[0] is None:
        return claimed
    return_id, delivery = owed
    returns = tuple(
        msgspec.structs.replace(goods, delivery=delivery.claim(claimed.now + lease)) if goods.id == return_id else goods
        for goods in session.returns
    )
    return msgspec.structs.replace(claimed, session=msgspec.structs.replace(session, returns=returns))
