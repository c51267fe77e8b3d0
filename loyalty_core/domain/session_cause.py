"""Why a session changes."""

from enum import StrEnum


class Cause(StrEnum):
    """Why a session changed; written into its timeline."""

    IDENTIFIED = "identified"
    QUOTED = "quoted"
    EMPTIED = "emptied"
    FINALIZE_INTENDED = "finalize_intended"
    FINALIZED_WITHOUT_REWARDS = "finalized_without_rewards"
    HOST_IDENTIFIED = "host_identified"
    HOST_SESSION_LOST = "host_session_lost"
    ATTEMPT_BEGUN = "attempt_begun"
    HOST_ACCEPTED = "host_accepted"
    HOST_REJECTED = "host_rejected"
    HOST_REFUSED_US = "host_refused_us"
    REDEMPTION_UNSENT = "redemption_unsent"
    DELIVERY_AWAITED = "delivery_awaited"
    PARKED = "parked"
    RETRIED_BY_OPERATOR = "retried_by_operator"
    ABANDONED_BY_OPERATOR = "abandoned_by_operator"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    RETURN_INTENDED = "return_intended"
    RETURN_SETTLED = "return_settled"
    RETURN_REJECTED = "return_rejected"
