"""What a finalize answers: by the record, by the mirror of the record, or by what has just come of it."""

from datetime import datetime

import msgspec

from loyalty_core.domain.errors import ConcurrentUpdate, TransactionMismatch
from loyalty_core.domain.session import SETTLED, Session, SessionStatus
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.unit_of_work import Call
from loyalty_core.use_cases.answers import FinalizeAnswer, Recorded, recall, record
from loyalty_core.use_cases.session_answers import promised_answer, settled_answer


def from_cache(cached: CachedAnswer, meaning: str) -> Recorded[FinalizeAnswer]:
    """The answer that the mirror holds.

    Raises:
        TransactionMismatch: it is of another payload.
    """
    if cached.fingerprint != meaning:
        raise _mismatch()
    return Recorded(answer=msgspec.json.decode(cached.body, type=FinalizeAnswer), body=cached.body, replayed=True)


def answer_of_record(loaded: Loaded, meaning: str) -> Recorded[FinalizeAnswer] | None:
    """The answer that an equal call was given before; None where this call is to be judged afresh.

    Raises:
        TransactionMismatch: the session's finalize is on record with another payload.
    """
    session = loaded.session
    if session.intent is None or not (session.status in SETTLED or session.status is SessionStatus.FINALIZING):
        return None
    if session.intent.fingerprint != meaning:
        raise _mismatch()
    stored = loaded.answers.get(Call.FINALIZE)
    if session.status in SETTLED:
        return recall(settled_answer(session), stored)
    return recall(promised_answer(session), stored) if session.is_promised else None


def answer_now(session: Session, now: datetime) -> Recorded[FinalizeAnswer]:
    """What a live call answers, by the state its session has ended in.

    Raises:
        SettlementFailed, IllegalTransition: others ended the session in another way while this call was at work.
    """
    if session.status in SETTLED:
        return record(settled_answer(session))
    if session.status is not SessionStatus.FINALIZING:
        session.check_open("finalize", now)
        raise ConcurrentUpdate
    return record(promised_answer(session))


def _mismatch() -> TransactionMismatch:
    return TransactionMismatch(
        "this session's finalize is on record with another payload; repeat that payload for its answer, "
        "or use /return to take points back"
    )
