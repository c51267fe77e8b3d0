"""The upstream host that owns customers and balances, and the five ways a call to it can end.

A call returns (the host accepted), or raises exactly one of `HostRejection` (a definite no), `HostNotSent` (nothing
reached it), `HostNotJudged` (it turned the call away unread), `HostRefusesUs` (it does not accept our credentials),
`HostSilence` (it may or may not have acted), or `HostSessionUnknown` (it no longer knows the session).
"""

from typing import Protocol

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.host_books import CommitKind, HostCommit, HostSessionReport
from loyalty_core.domain.identifiers import (
    ChannelId,
    CustomerId,
    HostSessionId,
    ReceiptId,
    ReturnId,
    TransactionId,
)
from loyalty_core.domain.member import Member
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote

__all__ = [
    "CommitKind",
    "FinalizeOrder",
    "HostCommit",
    "HostError",
    "HostIdentification",
    "HostNotJudged",
    "HostNotSent",
    "HostRefusesUs",
    "HostRejection",
    "HostSessionReport",
    "HostSessionUnknown",
    "HostSilence",
    "HostUndelivered",
    "LoyaltyHost",
    "ReturnOrder",
]


class HostError(Exception):
    """A call to the host that it did not accept. `reason` is short, stable and free of personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HostRejection(HostError):
    """A definite no: the host read the request and refused it."""

    def __init__(self, reason: str, message: str = "", details: dict[str, object] | None = None) -> None:
        super().__init__(reason)
        self.message = message
        self.details = details or {}


class HostSessionUnknown(HostError):
    """A definite no of its own kind: the host does not know, or no longer knows, its session. Identify again."""


class HostUndelivered(HostError):
    """The host has not judged the call and will not: it can be sent again later without risk."""

    def __init__(self, reason: str, *, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds after which a repeat makes sense."""


class HostNotSent(HostUndelivered):
    """Nothing reached the host: circuit open, bulkhead full, connection refused, no token to be had."""


class HostNotJudged(HostUndelivered):
    """The host turned the call away unread (too many requests)."""


class HostRefusesUs(HostUndelivered):
    """The host does not accept our credentials, also not fresh ones."""


class HostSilence(HostError):
    """No answer that can be trusted: time-out, reset, server error, garbage. The host may have acted."""


class HostIdentification(msgspec.Struct, frozen=True, kw_only=True):
    """The host knows the customer, and has opened its own session for the transaction."""

    session: HostSessionId
    member: Member


class FinalizeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen body of a finalize, and the key that makes repeating it safe."""

    key: str
    host_session: HostSessionId
    transaction: TransactionId
    basket: Basket
    earned_points: int
    program_version: str
    receipt: ReceiptId


class ReturnOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen body of a return, and the key that makes repeating it safe. Points are whole points."""

    key: str
    host_session: HostSessionId
    return_id: ReturnId
    points_reversed: int
    points_restored: int


class LoyaltyHost(Protocol):
    """The host, behind its circuit breaker, bulkhead, token and deadlines.

    `within` is the caller's whole budget in seconds, token refresh and its one repeat included; a call that could not
    be answered in it is not made (`HostNotSent`). None of these methods ever takes longer.
    """

    def unavailable_for(self) -> float:
        """Seconds until the circuit lets a call through; 0 where it would now."""
        ...

    async def identify(
        self, channel: ChannelId, transaction: TransactionId, customer: CustomerId, *, within: float
    ) -> HostIdentification:
        """Open, or find again, the host's session for a transaction. Idempotent by its three arguments."""
        ...

    async def calculate(self, session: HostSessionId, basket: Basket, *, within: float) -> HostQuote:
        """The host's figures for a basket; reads only."""
        ...

    async def finalize(self, order: FinalizeOrder, *, within: float) -> HostReceipt:
        """Book the sale. Repeating it with the same key books nothing twice."""
        ...

    async def send_return(self, order: ReturnOrder, *, within: float) -> ReturnFigures:
        """Book a return; the figures are the host's. Repeating it with the same key books nothing twice."""
        ...

    async def report(self, session: HostSessionId, *, within: float) -> HostSessionReport:
        """What the host has booked for a session so far."""
        ...
