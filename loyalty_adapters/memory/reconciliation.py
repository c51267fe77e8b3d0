from datetime import datetime
from itertools import count

import msgspec

from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_core.domain.difference import TOUCHES_THE_BOOKS, DifferenceKind
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_returns import first_owed
from loyalty_core.ports.reconciliation import (
    Finding,
    FindingQuery,
    Judged,
    Noted,
    Place,
    Standing,
    Step,
    Steps,
)
from loyalty_core.ports.session_store import Loaded

_Key = tuple[SessionId, DifferenceKind, str]


class MemoryReconciliation:
    """The `Reconciliation` and `Findings` ports over the sessions of a `MemorySessions`."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions
        self._standing = Standing()
        self._findings: dict[_Key, Finding] = {}
        self._numbers = count(1)

    async def standing(self) -> Standing:
        """See `Reconciliation.standing`."""
        return self._standing

    async def horizon(self) -> datetime:
        """See `Reconciliation.horizon`. A commit takes no time here, so the present is all there is to wait for."""
        return self._sessions.clock.now()

    async def count_steps(self, after: Place | None, until: datetime) -> int:
        """See `Reconciliation.count_steps`."""
        return len(self._places(after, until))

    async def steps(self, after: Place | None, until: datetime, limit: int) -> Steps:
        """See `Reconciliation.steps`."""
        places = self._places(after, until)[:limit]
        steps = [Step(place=place, loaded=await self._load(place.session)) for place in places]
        return Steps(steps=tuple(steps), last=places[-1] if places else None, is_last=len(places) < limit)

    async def count_left_open(self, owed_before: datetime, checked_before: datetime) -> int:
        """See `Reconciliation.count_left_open`."""
        return len(self._left_open(owed_before, checked_before))

    async def left_open(
        self, after: SessionId | None, owed_before: datetime, checked_before: datetime, limit: int
    ) -> tuple[Loaded, ...]:
        """See `Reconciliation.left_open`."""
        ids = [it for it in self._left_open(owed_before, checked_before) if after is None or it > after]
        return tuple([await self._load(session_id) for session_id in ids[:limit]])

    async def note(self, judged: tuple[Judged, ...], standing: Standing) -> Noted:
        """See `Reconciliation.note`."""
        opened = [it for session in judged for it in self._note_session(session)]
        resolved = sum(self._resolve_the_rest(session) for session in judged)
        before, now = self._standing.compared, standing.compared
        if before is None or (now is not None and (before.at, before.session) <= (now.at, now.session)):
            self._standing = standing
        return Noted(opened=tuple(opened), resolved=resolved)

    async def find(self, query: FindingQuery) -> tuple[Finding, ...]:
        """See `Findings.find`."""
        wanted = [
            finding
            for finding in self._findings.values()
            if query.day in {None, finding.day}
            and not (query.open_only and finding.resolved_at is not None)
            and (query.after is None or (finding.day, finding.number) > query.after)
        ]
        return tuple(sorted(wanted, key=lambda finding: (finding.day, finding.number))[: query.limit])

    async def of_session(self, session_id: SessionId) -> tuple[Finding, ...]:
        """See `Findings.of_session`."""
        return tuple(it for it in await self.find(FindingQuery(limit=len(self._findings))) if it.session == session_id)

    async def close(self, number: int, resolution: str) -> Finding | None:
        """See `Findings.close`."""
        for key, finding in self._findings.items():
            if finding.number == number and (finding.resolved_at is None or finding.resolution == resolution):
                now = self._sessions.clock.now()
                closed = msgspec.structs.replace(finding, resolved_at=now, resolution=resolution)
                self._findings[key] = closed
                return closed
        return None

    def _places(self, after: Place | None, until: datetime) -> list[Place]:
        """The last step of each session before `until`, if it is after `after`; in order."""
        places = []
        for session in self._sessions.all():
            steps = [
                (entry.at, entry.version)
                for entry in self._sessions.entries(session.id)
                if entry.cause in TOUCHES_THE_BOOKS and entry.at < until
            ]
            if steps:
                places.append(Place(max(steps)[0], session.id))
        places.sort(key=lambda place: (place.at, place.session))
        return [it for it in places if after is None or (it.at, it.session) > (after.at, after.session)]

    def _left_open(self, owed_before: datetime, checked_before: datetime) -> list[SessionId]:
        found = {
            finding.session
            for finding in self._findings.values()
            if finding.resolved_at is None and finding.checked_at < checked_before
        }
        owed = {session.id for session in self._sessions.all() if _is_owed_since(session, owed_before)}
        return sorted(found | owed)

    async def _load(self, session_id: SessionId) -> Loaded:
        found = await self._sessions.find(session_id)
        if found is None:
            raise KeyError(session_id)
        return found

    def _note_session(self, judged: Judged) -> list[tuple[SessionId, DifferenceKind]]:
        """What of it is new."""
        now, opened = self._sessions.clock.now(), []
        session = next(it for it in self._sessions.all() if it.id == judged.session)
        for difference in judged.differences:
            key = (judged.session, *difference.key)
            known = self._findings.get(key)
            if known is None:
                finding = Finding(
                    number=next(self._numbers),
                    session=session.id,
                    channel=session.channel,
                    transaction=session.transaction,
                    day=judged.day,
                    difference=difference,
                    found_at=now,
                    checked_at=now,
                )
            else:
                told = (known.difference.ours, known.difference.theirs)
                if known.resolution is not None and told == (difference.ours, difference.theirs):
                    continue
                finding = msgspec.structs.replace(
                    known, difference=difference, checked_at=now, resolved_at=None, resolution=None
                )
            self._findings[key] = finding
            if known is None or known.resolved_at is not None:
                opened.append((session.id, difference.kind))
        return opened

    def _resolve_the_rest(self, judged: Judged) -> int:
        still, now, resolved = {it.key for it in judged.differences}, self._sessions.clock.now(), 0
        for key, finding in self._findings.items():
            over = judged.resolves is None or finding.difference.kind in judged.resolves
            if finding.session == judged.session and finding.resolved_at is None and over and key[1:] not in still:
                self._findings[key] = msgspec.structs.replace(finding, resolved_at=now, checked_at=now)
                resolved += 1
        return resolved


def _is_owed_since(session: Session, moment: datetime) -> bool:
    first = first_owed(session)
    return first is not None and first[1].begun_at < moment
