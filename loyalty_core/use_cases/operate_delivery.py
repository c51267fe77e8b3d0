from datetime import datetime

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import IllegalTransition, SessionNotFound, ValidationFailed
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.domain.session_returns import attempt_return, reject_return
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import SessionChange
from loyalty_core.ports.world import Bookkeeping
from loyalty_core.use_cases.transitions import Transitions

MAX_WORDS = 200


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides about a parked delivery, and who and why; both go into the session's timeline.

    Raises:
        ValidationFailed: the operator is not named, or no reason is given, or they are too long.
    """

    session_id: SessionId
    abandon: bool
    """True: it is given up, and the sale or the return fails. False: the workers try again at once."""
    operator: str
    reason: str

    def __post_init__(self) -> None:
        for field, words in (("operator", self.operator), ("reason", self.reason)):
            if not words.strip() or len(words) > MAX_WORDS or not words.isprintable():
                raise ValidationFailed.of(field, f"must be 1 to {MAX_WORDS} printable characters")


class OperateDelivery:
    """Takes a parked delivery out of limbo: back to the workers, or given up on record."""

    def __init__(self, ports: Bookkeeping) -> None:
        self._store = ports.store
        self._transitions = Transitions(ports)

    async def __call__(self, decision: Decision) -> Session:
        """The session after it.

        Raises:
            SessionNotFound: there is none of that id.
            IllegalTransition: nothing of it is parked.
            ConcurrentUpdate, Overloaded, StorageUnavailable, OutcomeUnknown: see there.
        """
        races = 0
        while True:
            loaded = await self._store.find(decision.session_id)
            if loaded is None:
                raise SessionNotFound
            session = loaded.session
            decided = _abandoned(session, decision, loaded.now) if decision.abandon else _resumed(session, loaded.now)
            cause = Cause.ABANDONED_BY_OPERATOR if decision.abandon else Cause.RETRIED_BY_OPERATOR
            detail = f"{decision.operator}: {decision.reason}"
            try:
                await self._transitions.commit(SessionChange(before=session, after=decided, cause=cause, detail=detail))
            except StaleSession:
                races += 1
                await self._transitions.give_way(races)
            else:
                return decided


def _resumed(session: Session, now: datetime) -> Session:
    delivery = session.delivery
    if session.status is SessionStatus.FINALIZING and delivery is not None and _is_parked(delivery):
        return session.attempt(delivery.unpark(now))
    for goods in session.returns:
        if goods.is_owed and _is_parked(goods.delivery):
            return attempt_return(session, goods.id, goods.delivery.unpark(now))
    raise _nothing_parked("retry", session)


def _abandoned(session: Session, decision: Decision, now: datetime) -> Session:
    delivery = session.delivery
    if session.status is SessionStatus.FINALIZING and delivery is not None and _is_parked(delivery):
        return session.abandon(decision.reason, now)
    for goods in session.returns:
        if goods.is_owed and _is_parked(goods.delivery):
            return reject_return(session, goods.id, decision.reason, now)
    raise _nothing_parked("abandon", session)


def _is_parked(delivery: Delivery) -> bool:
    return delivery.parked_at is not None


def _nothing_parked(call: str, session: Session) -> IllegalTransition:
    return IllegalTransition(f"{call} of a delivery that is not parked", session.status.value, ())
