from typing import Final, LiteralString

from loyalty_adapters.postgres.commits import Commit
from loyalty_adapters.postgres.connections import ConnectionLane, Connections
from loyalty_adapters.postgres.loaded_rows import SESSION_ID, loaded
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_writes import writes_of
from loyalty_core.domain.identifiers import ChannelId, CustomerId, SessionId, TransactionId
from loyalty_core.domain.member import Member
from loyalty_core.ports.session_store import KeyProbe, Loaded
from loyalty_core.ports.unit_of_work import CustomerSnapshot, Lane, UnitOfWork

_LOADED: Final[LiteralString] = """
SELECT statement_timestamp(),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'identify'),
       (SELECT body FROM idempotency_answers WHERE session_id = s.id AND call = 'finalize'),
       s.id, s.client_id, s.channel_id, s.transaction_id, s.customer_id, s.status, s.version, s.opening, s.tier,
       s.created_at, s.expires_at, s.occurred_at, s.metadata, s.host_session, s.quote, s.intent, s.redeemed_points,
       s.points_reversed, s.points_restored, s.booked_points, s.new_balance, s.intents, s.delivery_number, s.begun_at,
       s.next_attempt_at, s.attempts, s.unanswered, s.sent_at, s.accepted_at, s.claimed_until, s.last_error,
       s.parked_at, s.finalized_at, s.failure, s.deleted_at, s.closed_at, s.returns, s.archived,
       s.address::text
"""
# Nearly every session that is asked for is live, and a statement that names the archive opens all of its months.
_FIND: Final[LiteralString] = _LOADED + "  FROM live_session_rows s WHERE s.id = %(id)s::uuid"
# Both places in one moment, so that a session on its way between them is not missed.
_FIND_ANYWHERE: Final[LiteralString] = _LOADED + "  FROM session_rows s WHERE s.id = %(id)s::uuid LIMIT 1"
# Always one row, so that the clock comes back with the news that nobody holds the key.
_BY_KEY: Final[LiteralString] = """,
       (SELECT session_id FROM archived_transactions
         WHERE channel_id = %(channel)s::text AND transaction_id = %(transaction)s::text)
  FROM (SELECT) AS one_row
  LEFT JOIN live_session_rows s
    ON s.channel_id = %(channel)s::text AND s.transaction_id = %(transaction)s::text AND s.holds_key
"""
_FIND_BY_KEY: Final[LiteralString] = _LOADED + _BY_KEY

_FIND_SNAPSHOT: Final[LiteralString] = """
SELECT tier, name, points, taken_at FROM customer_snapshots WHERE customer_id = %(customer)s::text
"""
_ARCHIVED_HOLDER: Final = -1
"""The column of `_FIND_BY_KEY` with the id of the archived session that holds the key."""


class PostgresSessions:
    """The `SessionStore` port on PostgreSQL. Reading a live session is one statement, and so is one commit."""

    def __init__(self, connections: Connections, addresses: RowAddresses) -> None:
        """`addresses` is shared with the queue, whose claims are read here by the writes that follow them."""
        self._connections = connections
        self._addresses = addresses

    @property
    def _intake(self) -> ConnectionLane:
        return self._connections.intake

    async def find(self, session_id: SessionId, *, lane: Lane = Lane.INTAKE) -> Loaded | None:
        """See `SessionStore.find`."""
        for statement in (_FIND, _FIND_ANYWHERE):
            rows = await read(self._connections.lane(lane), statement, {"id": session_id})
            if rows:
                return loaded(rows[0], self._addresses)
        return None

    async def find_by_key(self, channel: ChannelId, transaction: TransactionId) -> KeyProbe:
        """See `SessionStore.find_by_key`."""
        (row,) = await read(self._intake, _FIND_BY_KEY, {"channel": channel, "transaction": transaction})
        archived = row[_ARCHIVED_HOLDER]
        if row[SESSION_ID] is not None:
            return KeyProbe(now=row[0], holder=loaded(row[:_ARCHIVED_HOLDER], self._addresses))
        if archived is None:
            return KeyProbe(now=row[0])
        holder = await self.find(SessionId(archived))
        return KeyProbe(now=row[0], gone=True) if holder is None else KeyProbe(now=holder.now, holder=holder)

    async def find_snapshot(self, customer: CustomerId) -> CustomerSnapshot | None:
        """See `SessionStore.find_snapshot`."""
        rows = await read(self._intake, _FIND_SNAPSHOT, {"customer": customer})
        if not rows:
            return None
        tier, name, points, at = rows[0]
        return CustomerSnapshot(member=Member(customer_id=customer, tier=tier, name=name, points=points), at=at)

    async def commit(self, work: UnitOfWork) -> None:
        """See `SessionStore.commit`."""
        writes = writes_of(work, self._addresses)
        await Commit(self._connections.lane(work.lane), writes, self._addresses, self._connections.settings).run()
