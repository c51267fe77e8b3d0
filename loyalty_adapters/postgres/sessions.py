from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from loyalty_adapters.postgres.commits import Commit
from loyalty_adapters.postgres.connections import ConnectionLane, Connections
from loyalty_adapters.postgres.group_commits import Fate, GroupCommits
from loyalty_adapters.postgres.loaded_rows import SESSION_ID, loaded
from loyalty_adapters.postgres.reads import read
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_groups import groupable
from loyalty_adapters.postgres.session_writes import new_change_ids, writes_of
from loyalty_core.domain.caller import Caller
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
_OWNER: Final = slice(SESSION_ID + 1, SESSION_ID + 3)
"""The columns with the client and the channel."""
_ARCHIVED_HOLDER: Final = -1
"""The column of `_FIND_BY_KEY` with the id of the archived session that holds the key."""


class PostgresSessions:
    """The `SessionStore` port on PostgreSQL. Reading a live session is one statement, and so is one commit."""

    def __init__(self, connections: Connections, addresses: RowAddresses) -> None:
        """`addresses` is shared with the queue, whose claims are read here by the writes that follow them."""
        self._connections = connections
        self._addresses = addresses
        at_once = max(1, connections.settings.outcome_connections // 2)
        self._groups = GroupCommits(connections.outcome, addresses, at_once)

    @property
    def _intake(self) -> ConnectionLane:
        return self._connections.intake

    async def find(
        self, session_id: SessionId, *, lane: Lane = Lane.INTAKE, seen_by: Caller | None = None
    ) -> Loaded | None:
        """See `SessionStore.find`."""
        for statement in (_FIND, _FIND_ANYWHERE):
            rows = await read(self._connections.lane(lane), statement, {"id": session_id})
            if rows and (seen_by is None or seen_by.may_see(*rows[0][_OWNER])):
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
        change_ids = new_change_ids(work)
        if work.lane is Lane.INTAKE:
            await self._commit_alone(work, change_ids)
            return
        fate = await self._commit_together(work, change_ids)
        if fate is not Fate.WRITTEN:
            with self._groups.single():
                await self._commit_alone(work, change_ids, lost=fate is Fate.LOST)

    async def _commit_together(self, work: UnitOfWork, change_ids: Sequence[UUID]) -> Fate:
        """With other outcomes, where there are any. Of several changes of one session a group makes one."""
        if len(work.changes) == 1 and not self._groups.has_company:
            return Fate.UNDECIDED
        unit = groupable(work, change_ids, self._addresses)
        return Fate.UNDECIDED if unit is None else await self._groups.offer(unit)

    async def _commit_alone(self, work: UnitOfWork, change_ids: Sequence[UUID], *, lost: bool = False) -> None:
        lane, settings = self._connections.lane(work.lane), self._connections.settings
        writes = writes_of(work, change_ids, self._addresses)
        await Commit(lane, writes, self._addresses, settings, lost=lost).run()
