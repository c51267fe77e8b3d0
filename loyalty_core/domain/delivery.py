"""How one intent is sent to the loyalty host: what was promised, tried, answered and is still owed.

The same record serves a finalize and a return. Its one job is to make a lost answer impossible to forget: an attempt
counts as unanswered from the moment it is committed, before anything is sent, until a definite answer is recorded.
"""

from datetime import datetime

import msgspec


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of one intent. Times are aware UTC."""

    number: int
    """The intent's number within its session; part of the ``Idempotency-Key``, renewed only after a definite no."""
    begun_at: datetime
    next_attempt_at: datetime | None
    """When a worker may take the row: the end of the live call's lease at first, of the back-off later.
    None once nothing is owed."""
    attempts: int = 0
    """Tries so far, sent or not; drives the back-off."""
    unanswered: int = 0
    """Sends without a definite answer. Above zero the host may have committed, so the intent can never be reverted."""
    sent_at: datetime | None = None
    """The last send that may have reached the host; None while nothing can have."""
    accepted_at: datetime | None = None
    """When a POS was promised that this settles (a 202). From then on it never reverts."""
    claimed_until: datetime | None = None
    """A worker or a live call is at work on it until then."""
    last_error: str | None = None
    parked_at: datetime | None = None
    """Given up by the workers and waiting for an operator; still owed."""

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of this intent can have reached the host."""
        return self.sent_at is None and self.unanswered == 0

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody is at work on it at `now`."""
        return self.claimed_until is not None and now < self.claimed_until

    def claim(self, until: datetime) -> "Delivery":
        """Leased to one worker until then; nobody else takes it before."""
        return msgspec.structs.replace(self, claimed_until=until, next_attempt_at=until)

    def begin_attempt(self, now: datetime, until: datetime) -> "Delivery":
        """A send is about to happen; committed before it does, with a lease until its deadline has passed."""
        return msgspec.structs.replace(
            self,
            attempts=self.attempts + 1,
            unanswered=self.unanswered + 1,
            sent_at=now,
            claimed_until=until,
            next_attempt_at=until,
        )

    def attempt_never_left(self, lease: datetime, error: str, retry_at: datetime) -> "Delivery":
        """The committed send did not reach the host, or reached it and was turned away unjudged (429, 401, 403).

        `lease` is the `claimed_until` the attempt was made under: where another has claimed it since, that claim and
        its times stand. The same holds for the three below.
        """
        unanswered = self.unanswered - 1
        answered = msgspec.structs.replace(self, unanswered=unanswered, sent_at=self.sent_at if unanswered else None)
        return _hand_back(answered, lease, error, retry_at)

    def attempt_unanswered(self, lease: datetime, error: str, retry_at: datetime) -> "Delivery":
        """No definite answer came; the host may have committed."""
        return _hand_back(self, lease, error, retry_at)

    def attempt_refused(self, lease: datetime, error: str, retry_at: datetime) -> "Delivery":
        """A definite no to one send; while another is unanswered, that decides nothing."""
        answered = msgspec.structs.replace(self, unanswered=self.unanswered - 1)
        return _hand_back(answered, lease, error, retry_at)

    def defer(self, lease: datetime, error: str, retry_at: datetime) -> "Delivery":
        """A try that ended before a send: the host could not be asked, or a step before it failed."""
        tried = msgspec.structs.replace(self, attempts=self.attempts + 1)
        return _hand_back(tried, lease, error, retry_at)

    def release(self, at: datetime) -> "Delivery":
        """A worker gives its lease back untouched."""
        return msgspec.structs.replace(self, claimed_until=None, next_attempt_at=at)

    def accept(self, now: datetime) -> "Delivery":
        """A POS is promised that this settles; the first promise stands."""
        return self if self.accepted_at is not None else msgspec.structs.replace(self, accepted_at=now)

    def park(self, now: datetime) -> "Delivery":
        """Taken out of the workers' hands until an operator decides."""
        return msgspec.structs.replace(self, parked_at=now, claimed_until=None, next_attempt_at=None)

    def unpark(self, now: datetime) -> "Delivery":
        """Back to the workers at once, by an operator's decision."""
        return msgspec.structs.replace(self, parked_at=None, next_attempt_at=now)

    def settle(self) -> "Delivery":
        """Nothing is owed any more."""
        return msgspec.structs.replace(self, next_attempt_at=None, claimed_until=None, parked_at=None)


def _hand_back(delivery: Delivery, lease: datetime, error: str, retry_at: datetime) -> Delivery:
    if delivery.claimed_until != lease:
        return msgspec.structs.replace(delivery, last_error=error)
    return msgspec.structs.replace(delivery, claimed_until=None, next_attempt_at=retry_at, last_error=error)
