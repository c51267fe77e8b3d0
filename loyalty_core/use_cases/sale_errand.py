"""What every finalized session owes the host first: its sale."""

from datetime import datetime
from typing import Final

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.money import MAX_POINTS
from loyalty_core.domain.session import Cause, HostReceipt, Session, SessionStatus
from loyalty_core.ports.loyalty_host import CommitKind, FinalizeOrder, HostSessionReport, HostSilence, LoyaltyHost
from loyalty_core.ports.unit_of_work import Call, StoredAnswer
from loyalty_core.use_cases.answers import record
from loyalty_core.use_cases.errand import Errand, FinalAnswer, booked_for, idempotency_key, points_of
from loyalty_core.use_cases.session_answers import promised_answer, settled_answer


class SaleErrand(Errand[HostReceipt]):
    """Booking the sale itself."""

    accepted = Cause.HOST_ACCEPTED
    rejected = Cause.HOST_REJECTED

    def delivery(self, session: Session) -> Delivery | None:
        """See `Errand`."""
        return session.delivery if session.status is SessionStatus.FINALIZING else None

    def attempt(self, session: Session, delivery: Delivery) -> Session:
        """See `Errand`."""
        return session.attempt(delivery)

    def ready(self, session: Session) -> Session:
        """Its figures were decided with the intent."""
        return session

    async def send(self, host: LoyaltyHost, session: Session, *, within: float) -> HostReceipt:
        """See `Errand`."""
        intent, delivery = session.intent, session.delivery
        if intent is None or delivery is None or session.host_session is None:
            raise ValueError("only an intent known to the host can be sent")
        order = FinalizeOrder(
            key=idempotency_key(session, delivery),
            host_session=session.host_session,
            transaction=session.transaction,
            basket=intent.basket,
            earned_points=intent.quote.earned_points,
            program_version=intent.quote.ours.program_version,
            receipt=intent.receipt,
        )
        return await host.finalize(order, within=within)

    def found(self, session: Session, report: HostSessionReport) -> HostReceipt | None:
        """See `Errand`."""
        booked = booked_for(session, session.delivery, report)
        if not booked:
            return None
        earned = points_of(booked, CommitKind.ACCRUAL)
        if not 0 <= earned <= MAX_POINTS:
            raise HostSilence("impossible_points")
        return HostReceipt(earned_points=earned)

    def complete(self, session: Session, receipt: HostReceipt, now: datetime) -> Session:
        """See `Errand`."""
        return session.complete(receipt, now)

    def promise(self, session: Session, delivery: Delivery, now: datetime) -> Session:
        """See `Errand`."""
        return session.promise(delivery, now)

    def take_back(self, session: Session, now: datetime) -> Session:
        """See `Errand`."""
        return session.revert(now)

    def fail(self, session: Session, reason: str, now: datetime) -> Session:
        """See `Errand`."""
        return session.fail(reason, now)

    def spends_points(self, session: Session) -> bool:
        """See `Errand`."""
        return session.intent is not None and session.intent.basket.redeem_points > 0

    def answer(self, before: Session, after: Session) -> StoredAnswer | None:
        """See `Errand`."""
        if after.status is SessionStatus.FINALIZED:
            return StoredAnswer(call=Call.FINALIZE, body=record(settled_answer(after)).body)
        if after.is_promised and not before.is_promised:
            return StoredAnswer(call=Call.FINALIZE, body=record(promised_answer(after)).body)
        return None

    def final_answer(self, session: Session) -> FinalAnswer:
        """See `Errand`."""
        if session.receipt is None or session.intent is None:
            raise ValueError("only a settled session has a final answer")
        body = record(settled_answer(session)).body
        return FinalAnswer(call=Call.FINALIZE, fingerprint=session.intent.fingerprint, body=body)

    def booked_otherwise(self, session: Session, receipt: HostReceipt) -> bool:
        """See `Errand`."""
        return session.intent is not None and session.intent.quote.earned_points != receipt.earned_points


SALE: Final = SaleErrand()
"""The sale's errand; every session has the same one."""
