"""The answers that a session's own fields rebuild, byte for byte, whatever has become of it since."""

from loyalty_core.domain.identifiers import format_session_id
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session import Session, SessionStatus
from loyalty_core.use_cases.answers import FinalizeAnswer, IdentifyAnswer, ReturnAnswer


def identify_answer(session: Session) -> IdentifyAnswer:
    """The answer that opened `session`, whatever has become of it since."""
    opening = session.opening
    return IdentifyAnswer(
        session_id=format_session_id(session.id),
        status=SessionStatus.ACTIVE,
        customer_name=opening.name,
        current_points=opening.points,
        tier=opening.tier,
        expires_at=session.expires_at,
        version=1,
        provisional=opening.provisional,
    )


def settled_answer(session: Session) -> FinalizeAnswer:
    """The answer of a finalize that the host has booked, whatever was returned since.

    `session` has an intent and a receipt; `ValueError` otherwise, which is a bug of the caller.
    """
    if session.intent is None or session.receipt is None:
        raise ValueError("only a settled session has this answer")
    return FinalizeAnswer(
        session_id=format_session_id(session.id),
        status=SessionStatus.FINALIZED,
        earned_points=session.receipt.earned_points,
        new_balance=session.receipt.new_balance,
        receipt_id=session.intent.receipt,
        provisional=False,
    )


def promised_answer(session: Session) -> FinalizeAnswer:
    """The answer of a finalize that is on record and settles later.

    `session` has an intent; `ValueError` otherwise, which is a bug of the caller.
    """
    intent = session.intent
    if intent is None:
        raise ValueError("only a session with an intent has this answer")
    promised = intent.quote.earned_points if intent.promised_points is None else intent.promised_points
    return FinalizeAnswer(
        session_id=format_session_id(session.id),
        status=SessionStatus.FINALIZING,
        earned_points=promised,
        new_balance=None,
        receipt_id=intent.receipt,
        provisional=True,
    )


def return_answer(session: Session, goods: PurchaseReturn) -> ReturnAnswer:
    """The answer that a return has on record.

    `goods` was answered before; `ValueError` otherwise, which is a bug of the caller.
    """
    answered = goods.answered
    if answered is None:
        raise ValueError("only a return that was answered has this answer")
    return ReturnAnswer(
        session_id=format_session_id(session.id),
        return_id=goods.id,
        status=goods.status,
        points_reversed=answered.figures.points_reversed,
        points_restored=answered.figures.points_restored,
        remaining_points=answered.remaining_points,
        session_status=answered.session_status,
    )
