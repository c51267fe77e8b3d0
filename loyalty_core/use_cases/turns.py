"""One actor's turn with one errand, and how it ends."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import LoyaltyError
from loyalty_core.domain.session import Session
from loyalty_core.use_cases.budgets import Deadline, StoreTime
from loyalty_core.use_cases.errand import Errand

ReceiptT = TypeVar("ReceiptT")


class Try(msgspec.Struct, Generic[ReceiptT], frozen=True, kw_only=True):
    """One actor's turn with one errand of one session."""

    errand: Errand[ReceiptT]
    deadline: Deadline
    time: StoreTime
    lease: datetime
    """The `claimed_until` it works under."""
    live: bool
    """Whether a POS is waiting. Only then may a definite no take the intent back."""

    def owed(self, session: Session) -> Delivery:
        """The errand's delivery; `ValueError` where the session does not owe it, which is a bug of the caller."""
        delivery = self.errand.delivery(session)
        if delivery is None:
            raise ValueError("the session does not owe this errand")
        return delivery


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a try ended: the session as stored (or, for a promise that could not be, as promised)."""

    session: Session
    error: LoyaltyError | None = None
    """Why a live call was taken back; the session is then as it was before the intent."""
    host_failed: bool = False
    """Whether the host gave no judgement, so that others should not be sent to it in a hurry."""
