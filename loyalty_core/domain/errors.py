"""One tree of errors, one stable code each.

The codes are part of the HTTP contract. What happened is the class, what a caller can do about it is the message,
and what a program may need to know is in typed attributes. No message ever carries a secret or a customer's name.
"""

from typing import ClassVar

import msgspec


class LoyaltyError(Exception):
    """Anything this library refuses or cannot do, by a stable `code`."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one input field, and what to change."""

    field: str
    """Path of the field as the caller wrote it, e.g. ``items[2].qty``."""
    message: str


class ValidationFailed(LoyaltyError):
    """The request is not one we could ever carry out; `errors` says what to change."""

    code = "validation_failed"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{error.field} {error.message}" for error in errors))
        self.errors = errors

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationFailed":
        """The error of a single field."""
        return cls((FieldError(field, message),))


class RetryableError(LoyaltyError):
    """Nothing is wrong with the request: repeat it after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RejectedByHost(LoyaltyError):
    """The loyalty host judged the request and said no; `reason` is its code."""

    code = "pdi_rejected"

    def __init__(self, reason: str, message: str, details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details or {}


class SessionNotFound(LoyaltyError):
    """No session of that name for this caller: absent, another client's, or of a channel the key may not use."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("no such session; identify the customer first and use the sessionId of that answer")


class ChannelNotAllowed(LoyaltyError):
    """The API key may not act for this channel."""

    code = "channel_not_allowed"


class IllegalTransition(LoyaltyError):
    """The session's state does not allow the call."""

    code = "illegal_transition"

    def __init__(self, call: str, status: str, allowed: tuple[str, ...]) -> None:
        hint = f"allowed now: {', '.join(allowed)}" if allowed else "nothing more can be done with this session"
        super().__init__(f"{call} is not possible while the session is {status}; {hint}")
        self.call = call
        self.status = status
        self.allowed = allowed


class ConcurrentUpdate(LoyaltyError):
    """Other calls kept changing the session under this one; nothing was done."""

    code = "concurrent_update"

    def __init__(self) -> None:
        super().__init__("the session was changed by other calls at the same time; read its status, then repeat")


class SessionExpired(LoyaltyError):
    """The session's time to live ran out before the call."""

    code = "session_expired"

    def __init__(self) -> None:
        super().__init__("the session has expired; identify the customer again to open a new one")


class QuoteChanged(LoyaltyError):
    """What the POS asks to finalize is not what was quoted; both figures are given, in points."""

    code = "quote_changed"

    def __init__(self, message: str, *, quoted_points: int | None, current_points: int) -> None:
        super().__init__(message)
        self.quoted_points = quoted_points
        self.current_points = current_points


class InFlight(RetryableError):
    """A twin of this very call is still at work; repeating it later gives that call's answer."""

    code = "in_flight"

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__("the same call is still being worked on; repeat it for its answer", retry_after=retry_after)


class SettlementFailed(LoyaltyError):
    """The host refused a finalize, or a return, that had been queued; `reason` is the host's, or the operator's."""

    code = "settlement_failed"

    def __init__(self, reason: str, call: str = "finalize") -> None:
        super().__init__(f"the queued {call} was refused ({reason}); no points were booked for it")
        self.reason = reason


class VersionMismatch(LoyaltyError):
    """`If-Match` names another version than the stored one."""

    code = "version_mismatch"

    def __init__(self, current: int) -> None:
        super().__init__(f"the session is at version {current}; read its status and decide again")
        self.current = current


class TransactionMismatch(LoyaltyError):
    """The key of a sale was already used with another payload."""

    code = "transaction_mismatch"


class OverReturn(LoyaltyError):
    """More is to be returned than is left of the sale."""

    code = "over_return"


class HostRefusedUs(RetryableError):
    """The loyalty host does not accept our credentials; nothing was done."""

    code = "pdi_unauthorized"

    def __init__(self, *, retry_after: float = 5.0) -> None:
        super().__init__("the loyalty host refused our credentials; nothing was done", retry_after=retry_after)


class RedemptionNeedsHost(RetryableError):
    """Points can be spent only while the loyalty host answers; the session is unchanged."""

    code = "redemption_needs_pdi"

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__(
            "points can be redeemed only while the loyalty host answers; repeat later or sell without redeemPoints",
            retry_after=retry_after,
        )


class Overloaded(RetryableError):
    """Too much work is waiting; nothing was done."""

    code = "overloaded"

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__("the service is saturated; nothing was done, repeat the call", retry_after=retry_after)


class StorageUnavailable(RetryableError):
    """Our database cannot be reached; nothing was done."""

    code = "storage_unavailable"

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__("the session store cannot be reached; nothing was done", retry_after=retry_after)


class OutcomeUnknown(RetryableError):
    """Our database vanished around a commit and could not be asked again in time: repeat the same call."""

    code = "outcome_unknown"

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__(
            "the session store vanished while the change was written; repeat the same call to learn its outcome",
            retry_after=retry_after,
        )
