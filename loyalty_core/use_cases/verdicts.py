"""What each word of the host, or its silence, makes of a session. Nothing here asks it, and nothing is written."""

from datetime import datetime
from typing import TypeVar

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import HostRefusedUs, LoyaltyError, RedemptionNeedsHost, RejectedByHost
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostIdentification,
    HostRefusesUs,
    HostRejection,
    HostSessionUnknown,
    HostSilence,
    HostUndelivered,
)
from loyalty_core.use_cases.patience import Patience
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.turns import Try

ReceiptT = TypeVar("ReceiptT")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a try makes of a session."""

    after: Session
    cause: Cause
    detail: str | None = None
    error: LoyaltyError | None = None
    """What a POS is answered, where its intent is taken back."""
    host_failed: bool = False


class Verdicts:
    """Judges by the state table: what may be taken back, what fails, what waits, and until when."""

    def __init__(self, patience: Patience, pricing: Pricing) -> None:
        self._patience = patience
        self._pricing = pricing

    def identified(self, session: Session, found: HostIdentification) -> Verdict:
        """The host has learnt of the customer, and we the tier: what was never sent is computed with it."""
        after = session.host_identified(found.session, found.member)
        owed = SALE.delivery(after)
        if owed is not None and owed.is_unsent and after.intent is not None:
            quote = self._pricing.with_tier(after.intent.quote, after.customer, found.member.tier)
            after = after if quote is after.intent.quote else after.recompute(quote)
        return Verdict(after=after, cause=Cause.HOST_IDENTIFIED)

    def booked(self, session: Session, receipt: ReceiptT, turn: Try[ReceiptT]) -> Verdict:
        """The host has booked it."""
        return Verdict(after=turn.errand.complete(session, receipt, turn.time.now()), cause=turn.errand.accepted)

    def unsent(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Verdict:
        """Nothing of this try was sent."""
        delivery = turn.owed(session)
        if delivery.unanswered == 0:
            final = self._final(session, delivery, error, turn)
            if final is not None:
                return final
        deferred = delivery.defer(turn.lease, error.reason, self._pause(delivery, error, turn.time.now()))
        return self._waiting(session, deferred, error, turn)

    def unaccepted(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Verdict:
        """This try was sent, and the host did not accept it."""
        delivery = turn.owed(session)
        retry_at = self._pause(delivery, error, turn.time.now())
        if isinstance(error, HostSilence):
            silent = delivery.attempt_unanswered(turn.lease, error.reason, retry_at)
            return self._waiting(session, silent, error, turn)
        if isinstance(error, HostRejection | HostSessionUnknown):
            answered = delivery.attempt_refused(turn.lease, error.reason, retry_at)
        else:
            answered = delivery.attempt_never_left(turn.lease, error.reason, retry_at)
        if answered.unanswered == 0:
            final = self._final(session, answered, error, turn)
            if final is not None:
                return final
        return self._waiting(session, answered, error, turn)

    def host_session_lost(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Verdict:
        """The host no longer knows its session. It said so, so this send is answered; identify again, same key."""
        # Answered, and sent all the same: what went out under the key is never computed afresh.
        delivery = turn.owed(session).attempt_refused(turn.lease, error.reason, turn.time.now())
        kept = delivery if delivery.claimed_until is not None else delivery.claim(turn.lease)
        after = turn.errand.attempt(session, kept).host_session_lost()
        return Verdict(after=after, cause=Cause.HOST_SESSION_LOST, detail=error.reason)

    def _final(self, session: Session, delivery: Delivery, error: HostError, turn: Try[ReceiptT]) -> Verdict | None:
        """The end of an intent none of whose sends is unanswered, where the host's word allows one."""
        revertible = turn.live and delivery.accepted_at is None
        errand, now = turn.errand, turn.time.now()
        current = errand.attempt(session, delivery)
        if isinstance(error, HostRejection):
            if revertible:
                no = RejectedByHost(error.reason, error.message, error.details)
                after = errand.take_back(current, now)
                return Verdict(after=after, cause=errand.rejected, detail=error.reason, error=no)
            return Verdict(after=errand.fail(current, error.reason, now), cause=errand.rejected, detail=error.reason)
        if not revertible:
            return None
        retry_after = error.retry_after if isinstance(error, HostUndelivered) else 1.0
        if isinstance(error, HostRefusesUs):
            refused = HostRefusedUs(retry_after=retry_after)
            after = errand.take_back(current, now)
            return Verdict(after=after, cause=Cause.HOST_REFUSED_US, detail=error.reason, error=refused)
        if errand.spends_points(current):
            # Points are spent with the host's consent or not at all: a redemption is never queued unsent.
            needed = RedemptionNeedsHost(retry_after=retry_after)
            after = errand.take_back(current, now)
            return Verdict(after=after, cause=Cause.REDEMPTION_UNSENT, detail=error.reason, error=needed)
        return None

    def _waiting(self, session: Session, delivery: Delivery, error: HostError, turn: Try[ReceiptT]) -> Verdict:
        """It settles later. A POS that waits is promised so; a worker parks what has been unknown for too long."""
        now = turn.time.now()
        cause = Cause.DELIVERY_AWAITED
        undecidable = delivery.unanswered or isinstance(error, HostSessionUnknown)
        if turn.live:
            after = turn.errand.promise(session, delivery, now)
        elif undecidable and self._patience.has_ended(delivery, now):
            after, cause = turn.errand.attempt(session, delivery.park(now)), Cause.PARKED
        else:
            after = turn.errand.attempt(session, delivery)
        failed = isinstance(error, HostSilence | HostUndelivered)
        return Verdict(after=after, cause=cause, detail=error.reason, host_failed=failed)

    def _pause(self, delivery: Delivery, error: HostError, now: datetime) -> datetime:
        at_least = error.retry_after if isinstance(error, HostUndelivered) else 0.0
        return self._patience.retry_at(now, delivery.attempts, at_least)
