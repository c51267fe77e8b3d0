"""Every error has its stable code, and says what a caller can do."""

from typing import Final

import pytest

from loyalty_core.domain import errors
from loyalty_core.domain.errors import FieldError, LoyaltyError, RetryableError, ValidationFailed


def _every() -> tuple[tuple[LoyaltyError, str], ...]:
    """One of each, and its code."""
    return (
        (ValidationFailed.of("items[0].qty", "must be more than 0"), "validation_failed"),
        (errors.RejectedByHost("invalid_customer", "no such customer"), "pdi_rejected"),
        (errors.SessionNotFound(), "session_not_found"),
        (errors.ChannelNotAllowed("this key may not act for channel WEB"), "channel_not_allowed"),
        (errors.IllegalTransition("cancel", "finalized", ("return",)), "illegal_transition"),
        (errors.ConcurrentUpdate(), "concurrent_update"),
        (errors.SessionExpired(), "session_expired"),
        (errors.QuoteChanged("changed", quoted_points=1, current_points=2), "quote_changed"),
        (errors.InFlight(), "in_flight"),
        (errors.SettlementFailed("invalid_customer"), "settlement_failed"),
        (errors.VersionMismatch(3), "version_mismatch"),
        (errors.TransactionMismatch("used before"), "transaction_mismatch"),
        (errors.OverReturn("too much"), "over_return"),
        (errors.HostRefusedUs(), "pdi_unauthorized"),
        (errors.RedemptionNeedsHost(), "redemption_needs_pdi"),
        (errors.Overloaded(), "overloaded"),
        (errors.StorageUnavailable(), "storage_unavailable"),
        (errors.OutcomeUnknown(), "outcome_unknown"),
    )


EVERY: Final = _every()


@pytest.mark.parametrize(("error", "code"), EVERY)
def test_codes(error: LoyaltyError, code: str) -> None:
    """The codes are part of the contract; the message is what str() gives."""
    assert code == error.code
    assert error.message == str(error)
    assert error.message


@pytest.mark.parametrize("error", [error for error, _ in EVERY if isinstance(error, RetryableError)])
def test_what_may_be_repeated_says_when(error: RetryableError) -> None:
    """Repeating at once would be a storm."""
    assert error.retry_after > 0
    assert 7.5 == type(error)(retry_after=7.5).retry_after  # type: ignore[call-arg]  # each leaf takes only the time


def test_what_a_till_is_told() -> None:
    """What went wrong, what has happened, and what to do: part of the contract for whoever reads it at a till."""
    told = {error.code: error.message for error, _ in _every()}
    assert {
        "validation_failed": "items[0].qty must be more than 0",
        "pdi_rejected": "no such customer",
        "session_not_found": "no such session; identify the customer first and use the sessionId of that answer",
        "channel_not_allowed": "this key may not act for channel WEB",
        "illegal_transition": "cancel is not possible while the session is finalized; allowed now: return",
        "concurrent_update": "the session was changed by other calls at the same time; read its status, then repeat",
        "session_expired": "the session has expired; identify the customer again to open a new one",
        "quote_changed": "changed",
        "in_flight": "the same call is still being worked on; repeat it for its answer",
        "settlement_failed": "the queued finalize was refused (invalid_customer); no points were booked for it",
        "version_mismatch": "the session is at version 3; read its status and decide again",
        "transaction_mismatch": "used before",
        "over_return": "too much",
        "pdi_unauthorized": "the loyalty host refused our credentials; nothing was done",
        "redemption_needs_pdi": (
            "points can be redeemed only while the loyalty host answers; repeat later or sell without redeemPoints"
        ),
        "overloaded": "the service is saturated; nothing was done, repeat the call",
        "storage_unavailable": "the session store cannot be reached; nothing was done",
        "outcome_unknown": (
            "the session store vanished while the change was written; repeat the same call to learn its outcome"
        ),
    } == told
    assert "the queued return was refused (gone); no points were booked for it" == str(
        errors.SettlementFailed("gone", "return")
    )


def test_when_to_repeat_where_nobody_says() -> None:
    """A second; five where credentials are refused, for people have to put that right."""
    pauses = {error.code: error.retry_after for error, _ in _every() if isinstance(error, RetryableError)}
    assert 5.0 == pauses.pop("pdi_unauthorized")
    assert {1.0} == set(pauses.values())
    assert 1.0 == RetryableError("later").retry_after


def test_every_mistake_of_a_request_is_named() -> None:
    """All fields at once, not the first one."""
    error = ValidationFailed((FieldError("a", "must not be empty"), FieldError("b", "is too long")))

    assert "a must not be empty; b is too long" == error.message


def test_what_a_program_reads_of_an_error() -> None:
    """Its facts stand beside its sentence, each under its name."""
    changed = errors.QuoteChanged("changed", quoted_points=1, current_points=2)
    assert (1, 2) == (changed.quoted_points, changed.current_points)
    assert "invalid_customer" == errors.RejectedByHost("invalid_customer", "no").reason


def test_details_of_the_host_may_be_absent() -> None:
    """A rejection without details has empty ones."""
    assert {} == errors.RejectedByHost("invalid_customer", "no").details
    assert {"balance": 1} == errors.RejectedByHost("insufficient_points", "no", {"balance": 1}).details


@pytest.mark.parametrize(
    ("allowed", "hint"),
    [
        (("return",), "allowed now: return"),
        (("finalize", "cancel"), "allowed now: finalize, cancel"),
        ((), "nothing more can be done with this session"),
    ],
)
def test_an_illegal_call_is_told_what_is_legal(allowed: tuple[str, ...], hint: str) -> None:
    """The way out is in the message."""
    assert errors.IllegalTransition("cancel", "finalized", allowed).message.endswith(hint)
