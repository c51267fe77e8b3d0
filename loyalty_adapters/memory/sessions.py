"""Sessions in this process's memory, with the behaviour of the real store and none of its durability."""

from datetime import datetime

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.identifiers import ChannelId, CustomerId, SessionId, TransactionId
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.session_directory import TimelineEntry
from loyalty_core.ports.session_store import KeyProbe, KeyTaken, Loaded, StaleSession
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, Lane, SessionChange, UnitOfWork

Key = tuple[ChannelId, TransactionId]


class MemorySessions:
    """The `SessionStore` port in memory. A commit awaits nothing, so nothing can come between its parts.

    `timeline` keeps every change of every session in the order of their commits.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timeline: list[SessionChange] = []
        self._entries: dict[SessionId, list[TimelineEntry]] = {}
        self._sessions: dict[SessionId, Session] = {}
        self._archived: set[SessionId] = set()
        self._holders: dict[Key, SessionId] = {}
        self._answers: dict[SessionId, dict[Call, bytes]] = {}
        self._answered: dict[tuple[SessionId, Call], datetime] = {}
        self._snapshots: dict[CustomerId, CustomerSnapshot] = {}

    async def find(
        self,
        session_id: SessionId,
        *,
        lane: Lane = Lane.INTAKE,  # noqa: ARG002 - memory has no connections
        seen_by: Caller | None = None,
    ) -> Loaded | None:
        """See `SessionStore.find`."""
        session = self._sessions.get(session_id)
        if session is None or not (seen_by is None or seen_by.may_see(session.client, session.channel)):
            return None
        return self._loaded(session)

    async def find_by_key(self, channel: ChannelId, transaction: TransactionId) -> KeyProbe:
        """See `SessionStore.find_by_key`."""
        holder = self._holders.get((channel, transaction))
        if holder is None:
            return KeyProbe(now=self.clock.now())
        session = self._sessions.get(holder)
        if session is None:
            return KeyProbe(now=self.clock.now(), gone=True)
        return KeyProbe(now=self.clock.now(), holder=self._loaded(session))

    async def find_snapshot(self, customer: CustomerId) -> CustomerSnapshot | None:
        """See `SessionStore.find_snapshot`."""
        return self._snapshots.get(customer)

    async def commit(self, work: UnitOfWork) -> None:
        """See `SessionStore.commit`."""
        keys = self._check(work)
        for change in work.changes:
            self._put(change.after)
            self.timeline.append(change)
            self._enter(change, work.trace_id)
        for key, holder in keys.items():
            if holder is None:
                self._holders.pop(key, None)
            else:
                self._holders[key] = holder
        # Answers of single returns are rebuilt from the session; no read of this port brings them.
        if work.answer is not None and not work.answer.item:
            answers = self._answers.setdefault(work.changes[-1].after.id, {})
            answers[work.answer.call] = work.answer.body
            self._answered[work.changes[-1].after.id, work.answer.call] = self.clock.now()
        if work.snapshot is not None:
            kept = self._snapshots.get(work.snapshot.customer)
            if kept is None or kept.at < work.snapshot.at:
                self._snapshots[work.snapshot.customer] = work.snapshot

    async def forget(self, customer: CustomerId) -> int:
        """See `PersonalData.forget`."""
        self._snapshots.pop(customer, None)
        theirs = [session for session in self._sessions.values() if session.customer == customer]
        for session in theirs:
            nameless = msgspec.structs.replace(session.opening, name=None)
            self._sessions[session.id] = msgspec.structs.replace(session, opening=nameless, metadata={})
            self._entries[session.id] = [_wordless(entry) for entry in self.entries(session.id)]
            self.drop_answer(session.id, Call.IDENTIFY)
        return len(theirs)

    def all(self) -> tuple[Session, ...]:
        """Every session there is."""
        return tuple(self._sessions.values())

    def entries(self, session_id: SessionId) -> tuple[TimelineEntry, ...]:
        """The session's own part of the timeline, as the database keeps it."""
        return tuple(self._entries.get(session_id, ()))

    def replace(self, session: Session) -> None:
        """Put a new version of a session in place without a timeline entry: how a queue leases one."""
        self._sessions[session.id] = session

    def is_archived(self, session_id: SessionId) -> bool:
        """Whether the session has been put away since it was last changed."""
        return session_id in self._archived

    def put_away(self, session_id: SessionId) -> None:
        """Move a session to the archive: nothing changes but the place where it is found."""
        self._archived.add(session_id)

    def take_out(self, session_id: SessionId) -> None:
        """Remove an archived session, as an operator does who detaches its month; its key stays refused."""
        self._archived.remove(session_id)
        del self._sessions[session_id]
        self._entries.pop(session_id, None)

    def _put(self, session: Session) -> None:
        self._archived.discard(session.id)
        stored = self._sessions.get(session.id)
        # As in the database, no transition writes what was said at identify: a name that was erased stays erased.
        opening = session.opening if stored is None else stored.opening
        self._sessions[session.id] = msgspec.structs.replace(session, opening=opening)

    def _enter(self, change: SessionChange, trace_id: str | None) -> None:
        entry = TimelineEntry(
            version=change.after.version,
            before=None if change.before is None else change.before.status,
            after=change.after.status,
            cause=change.cause.value,
            detail=change.detail,
            trace_id=trace_id,
            at=self.clock.now(),
        )
        self._entries.setdefault(change.after.id, []).append(entry)

    def answers_before(self, moment: datetime) -> list[tuple[SessionId, Call]]:
        """Whose answers of which call were given before then, the oldest first."""
        old = sorted((at, key) for key, at in self._answered.items() if at < moment)
        return [key for _, key in old]

    def drop_answer(self, session_id: SessionId, call: Call) -> None:
        """Forget one answer of record, if it is kept."""
        self._answers.get(session_id, {}).pop(call, None)
        self._answered.pop((session_id, call), None)

    def clear_answers(self) -> None:
        """Forget all answers of record, as the job that clears them does in time."""
        self._answers.clear()
        self._answered.clear()

    def _loaded(self, session: Session) -> Loaded:
        return Loaded(
            session=session,
            now=self.clock.now(),
            answers=dict(self._answers.get(session.id, {})),
            archived=session.id in self._archived,
        )

    def _check(self, work: UnitOfWork) -> dict[Key, SessionId | None]:
        """What `work` does to the keys: who holds each from now on. Raises where it may not be done at all."""
        staged: dict[SessionId, Session] = {}
        keys: dict[Key, SessionId | None] = {}
        # As in the database, updates come first: one of them may give back the key that a new session takes.
        for change in sorted(work.changes, key=lambda change: change.before is None):
            after = change.after
            _check_version(change, staged.get(after.id) or self._sessions.get(after.id))
            staged[after.id] = after
            key = (after.channel, after.transaction)
            holder = keys[key] if key in keys else self._holders.get(key)
            if after.holds_its_key:
                if holder not in {None, after.id}:
                    raise KeyTaken
                keys[key] = after.id
            elif holder == after.id:
                keys[key] = None
        return keys


def _check_version(change: SessionChange, stored: Session | None) -> None:
    if change.before is None:
        if stored is not None:
            raise KeyTaken
    elif stored is None or stored.version != change.before.version:
        raise StaleSession


def _wordless(entry: TimelineEntry) -> TimelineEntry:
    """Without what a POS has said about it."""
    return msgspec.structs.replace(entry, detail=None) if entry.cause == Cause.CANCELLED else entry
