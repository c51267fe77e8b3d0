"""The session: one loyalty sale from identification to settlement, and every transition it can make.

Each transition is a pure method that returns a new session or raises a named error. `version` counts transitions;
a store writes a session only over the version it was made from.
"""

from datetime import datetime
from typing import Any

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session_cause import Cause
from loyalty_core.domain.session_facts import SessionFacts, refusal
from loyalty_core.domain.session_parts import FinalizeIntent, HostReceipt, Opening
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_status import EXPIRED, OPEN, SETTLED, TERMINAL, SessionStatus

# The words that a session is spoken of in come with it, so that whoever deals with sessions has one place to ask.
__all__ = [
    "EXPIRED",
    "OPEN",
    "SETTLED",
    "TERMINAL",
    "Cause",
    "FinalizeIntent",
    "HostReceipt",
    "Opening",
    "Session",
    "SessionStatus",
    "evolve",
    "refusal",
]


class Session(SessionFacts, frozen=True, kw_only=True):
    """One loyalty sale, and what can happen to it."""

    # -- before the sale is committed

    def host_identified(self, host_session: HostSessionId, member: Member) -> "Session":
        """The host knows the customer, late: provisional answers end, its tier counts for what is not booked yet."""
        if self.status in SETTLED:
            return evolve(self, host_session=host_session)
        if self.status not in OPEN | {SessionStatus.FINALIZING}:
            raise refusal(self, "identify")
        return evolve(self, host_session=host_session, tier=member.tier)

    def host_session_lost(self) -> "Session":
        """The host no longer knows its session: it has to identify the customer again before anything is sent."""
        if self.status in {SessionStatus.FAILED, SessionStatus.CANCELLED}:
            raise refusal(self, "identify again")
        return evolve(self, host_session=None)

    def quoted(self, quote: SessionQuote, now: datetime) -> "Session":
        """A basket was quoted; an empty one takes the session back to `active`."""
        self.check_open("calculateRewards", now)
        if quote.basket.is_empty:
            return evolve(self, status=SessionStatus.ACTIVE, quote=None)
        return evolve(self, status=SessionStatus.CALCULATED, quote=quote)

    def cancel(self, now: datetime) -> "Session":
        """The POS abandons the sale. Possible until something may have reached the host."""
        if self.status is SessionStatus.FINALIZING:
            delivery = self._finalizing("cancel")
            if not delivery.is_unsent or delivery.is_claimed(now):
                raise refusal(self, "cancel")
            settled: Delivery | None = delivery.settle()
        else:
            self.check_open("cancel", now)
            settled = None
        return evolve(self, status=SessionStatus.CANCELLED, delivery=settled, returns=self._voided(now), closed_at=now)

    def expire(self, now: datetime) -> "Session":
        """Its time ran out before anything was intended."""
        if not self.has_expired(now):
            raise refusal(self, "expire")
        return evolve(self, status=SessionStatus.FAILED, failure=EXPIRED, deleted_at=now, closed_at=now)

    # -- committing the sale

    def begin_finalize(self, intent: FinalizeIntent, delivery: Delivery, now: datetime) -> "Session":
        """The intent is on record; from here on the sale settles exactly once, fails with a reason, or is reverted."""
        self.check_open("finalize", now)
        return evolve(self, status=SessionStatus.FINALIZING, intent=intent, delivery=delivery, intents=delivery.number)

    def finalize_without_rewards(self, intent: FinalizeIntent, now: datetime) -> "Session":
        """The POS sold without rewards: nothing is owed, so the host is not involved."""
        self.check_open("finalize", now)
        return evolve(
            self,
            status=SessionStatus.FINALIZED,
            intent=intent,
            receipt=HostReceipt(earned_points=0, new_balance=None if self.opening.provisional else self.opening.points),
            finalized_at=now,
            closed_at=now,
        )

    def recompute(self, quote: SessionQuote) -> "Session":
        """Other figures for the same intent, possible only while nothing of it has been sent."""
        delivery = self._finalizing("recompute")
        if not delivery.is_unsent or self.intent is None:
            raise refusal(self, "recompute")
        return evolve(self, intent=msgspec.structs.replace(self.intent, quote=quote))

    def attempt(self, delivery: Delivery) -> "Session":
        """The state of the delivery changed, the sale's did not: a send begun or ended, a promise, a lease, parking."""
        self._finalizing("deliver")
        return evolve(self, delivery=delivery)

    def promise(self, delivery: Delivery, now: datetime) -> "Session":
        """A POS is answered that this settles later. The first promise stands; after it nothing reverts."""
        self._finalizing("promise")
        intent = self.intent
        if intent is not None and intent.promised_points is None:
            intent = msgspec.structs.replace(intent, promised_points=intent.quote.earned_points)
        return evolve(self, delivery=delivery.accept(now), intent=intent)

    def complete(self, receipt: HostReceipt, now: datetime) -> "Session":
        """The host has booked it."""
        delivery = self._finalizing("complete")
        redeemed = 0 if self.intent is None else self.intent.basket.redeem_points
        return evolve(
            self,
            status=SessionStatus.FINALIZED,
            receipt=receipt,
            delivery=delivery.settle(),
            redeemed_points=redeemed,
            finalized_at=now,
            closed_at=now,
        )

    def revert(self, now: datetime) -> "Session":
        """A definite no to the live call before its answer: as if the intent had never been, but for its number.

        Raises:
            IllegalTransition: a POS was promised a settlement, or an attempt is unanswered.
        """
        delivery = self._finalizing("revert")
        if delivery.accepted_at is not None or delivery.unanswered or self.intent is None:
            raise refusal(self, "revert")
        return evolve(self, status=self.intent.resumes, intent=None, delivery=None, returns=self._voided(now))

    def fail(self, reason: str, now: datetime) -> "Session":
        """A definite no to a worker, with no attempt unanswered.

        Raises:
            IllegalTransition: an attempt is unanswered; the host may have committed.
        """
        delivery = self._finalizing("fail")
        if delivery.unanswered:
            raise refusal(self, "fail")
        return self._failed(delivery, reason, now)

    def abandon(self, reason: str, now: datetime) -> "Session":
        """An operator gives up a parked delivery, on record."""
        delivery = self._finalizing("abandon")
        if delivery.parked_at is None:
            raise refusal(self, "abandon")
        return self._failed(delivery, reason, now)

    # -- inside

    def _failed(self, delivery: Delivery, reason: str, now: datetime) -> "Session":
        return evolve(
            self,
            status=SessionStatus.FAILED,
            failure=reason,
            delivery=delivery.settle(),
            returns=self._voided(now),
            closed_at=now,
        )

    def _voided(self, now: datetime) -> tuple[PurchaseReturn, ...]:
        """The returns that were queued behind a sale that is not going to be booked."""
        return tuple(goods.void(now) if goods.is_owed else goods for goods in self.returns)

    def _finalizing(self, call: str) -> Delivery:
        if self.status is not SessionStatus.FINALIZING or self.delivery is None:
            raise refusal(self, call)
        return self.delivery


def evolve(session: Session, **changes: Any) -> Session:
    """The session after one transition: `changes`, and the next version."""
    return msgspec.structs.replace(session, version=session.version + 1, **changes)
