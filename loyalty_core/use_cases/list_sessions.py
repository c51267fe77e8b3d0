import base64
from datetime import datetime
from typing import Final

import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import ReceiptId, SessionId, TransactionId, format_session_id, parse_session_id
from loyalty_core.domain.session import TERMINAL, Session, SessionStatus
from loyalty_core.ports.session_directory import SessionDirectory, SessionQuery
from loyalty_core.use_cases.answers import Answer

PAGE: Final = 100
"""The most sessions of one answer."""


class ListOwnSessions(msgspec.Struct, frozen=True, kw_only=True):
    """A client's own sessions that have ended: what settled, was returned, failed or was cancelled.

    Raises:
        ValidationFailed: a status is one that nothing ends in, or a time has no zone.
    """

    caller: Caller
    statuses: tuple[SessionStatus, ...] = ()
    """None at all means every status that a session can end in."""
    settled_since: datetime | None = None
    """Those that entered the state they are in at that time or later."""
    cursor: str | None = None
    """Where the page before ended, in that page's words."""

    def __post_init__(self) -> None:
        if unending := sorted(set(self.statuses) - TERMINAL):
            raise ValidationFailed.of("status", f"must be one of {', '.join(sorted(TERMINAL))}, not {unending[0]}")
        if self.settled_since is not None and self.settled_since.tzinfo is None:
            raise ValidationFailed.of("settledSince", "must have a time zone, e.g. end in Z")


class SessionSummary(Answer, frozen=True, kw_only=True):
    """One session that has ended; `getSessionStatus` tells the rest."""

    session_id: str
    status: SessionStatus
    version: int
    customer_id: str
    channel_id: str
    transaction_id: TransactionId
    earned_points: int
    redeemed_points: int
    points_reversed: int
    points_restored: int
    receipt_id: ReceiptId | None
    failure: str | None
    created_at: datetime
    finalized_at: datetime | None
    closed_at: datetime
    """When it entered the state it is in; the list is in this order."""


class SessionPage(Answer, frozen=True, kw_only=True):
    """Some of the sessions, those that ended first coming first."""

    sessions: tuple[SessionSummary, ...]
    next_cursor: str | None
    """The `cursor` of the next page; null on the last one."""


class ListSessions:
    """Lists a client's own sessions, a page at a time."""

    def __init__(self, directory: SessionDirectory) -> None:
        self._directory = directory

    async def __call__(self, query: ListOwnSessions) -> SessionPage:
        """A page of what the caller's key may see.

        Raises:
            ValidationFailed: the cursor is none of ours.
            Overloaded, StorageUnavailable: see there.
        """
        found = await self._directory.closed(
            SessionQuery(
                client=query.caller.client,
                channels=query.caller.channels,
                statuses=query.statuses,
                settled_since=query.settled_since,
                after=None if query.cursor is None else _place(query.cursor),
                limit=PAGE + 1,
            )
        )
        page = tuple(map(_summary, found[:PAGE]))
        more = len(found) > PAGE
        return SessionPage(sessions=page, next_cursor=_cursor(page[-1]) if more else None)


def _summary(session: Session) -> SessionSummary:
    if session.closed_at is None:
        raise ValueError("only a session that has ended is listed")
    return SessionSummary(
        session_id=format_session_id(session.id),
        status=session.status,
        version=session.version,
        customer_id=session.customer,
        channel_id=session.channel,
        transaction_id=session.transaction,
        earned_points=session.earned_points,
        redeemed_points=session.redeemed_points,
        points_reversed=session.points_reversed,
        points_restored=session.points_restored,
        receipt_id=None if session.intent is None else session.intent.receipt,
        failure=session.failure,
        created_at=session.created_at,
        finalized_at=session.finalized_at,
        closed_at=session.closed_at,
    )


def _cursor(last: SessionSummary) -> str:
    """Where a page ends. It is the callers' to keep, not to read."""
    return base64.urlsafe_b64encode(f"{last.closed_at.isoformat()} {last.session_id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, SessionId]:
    wrong = ValidationFailed.of("cursor", "must be the nextCursor of an earlier page, unchanged")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        at, _, name = text.partition(" ")
        closed_at, session_id = datetime.fromisoformat(at), parse_session_id(name)
    except ValueError:
        raise wrong from None
    if session_id is None or closed_at.tzinfo is None:
        raise wrong
    return closed_at, session_id
