import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import SessionChange
from loyalty_core.ports.world import Bookkeeping
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import CancelAnswer
from loyalty_core.use_cases.transitions import Transitions

MAX_REASON = 200


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Abandon a session that nothing has been sent for.

    Raises:
        ValidationFailed: the reason is longer than 200 characters or not printable.
    """

    caller: Caller
    session_id: SessionId
    reason: str | None = None
    """The POS's words for it; kept in the timeline."""
    if_match: int | None = None
    """The version the POS has read, where it insists on it."""

    def __post_init__(self) -> None:
        if self.reason is not None and not (len(self.reason) <= MAX_REASON and self.reason.isprintable()):
            raise ValidationFailed.of("reason", f"must be at most {MAX_REASON} printable characters")


class CancelSession:
    """Cancels a session. Cancelling a cancelled one answers as the first time did."""

    def __init__(self, ports: Bookkeeping) -> None:
        self._store = ports.store
        self._transitions = Transitions(ports)

    async def __call__(self, command: Cancel) -> CancelAnswer:
        """The session after it.

        Raises:
            SessionNotFound, VersionMismatch, SessionExpired, SettlementFailed: see there.
            IllegalTransition: something may have reached the host, or somebody is at work on it.
            ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        races = 0
        while True:
            loaded = await load_for(self._store, command.caller, command.session_id)
            session = loaded.session
            if session.status is SessionStatus.CANCELLED:
                return _answer(session)
            session.check_version(command.if_match)
            cancelled = session.cancel(loaded.now)
            try:
                await self._transitions.commit(
                    SessionChange(before=session, after=cancelled, cause=Cause.CANCELLED, detail=command.reason)
                )
            except StaleSession:
                races += 1
                await self._transitions.give_way(races)
            else:
                return _answer(cancelled)


def _answer(session: Session) -> CancelAnswer:
    return CancelAnswer(session_id=format_session_id(session.id), status=session.status, version=session.version)
