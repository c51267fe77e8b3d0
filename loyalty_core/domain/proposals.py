"""What a person should do about a difference, in words. Nothing here is ever done by the service itself."""

from typing import Final

from loyalty_core.domain.difference import Difference, DifferenceKind

_PROPOSALS: Final = {
    DifferenceKind.MISSING_AT_HOST: (
        "Ask PDI for the entry, by the key. Where it is truly not there, have PDI book the points by hand: "
        "the customer was told that they are theirs."
    ),
    DifferenceKind.BOOKED_AT_HOST_UNKNOWN_TO_US: (
        "Have PDI take back what it booked: the POS was told that this sale earns nothing. "
        "Where the session is parked instead: loyalty sessions retry."
    ),
    DifferenceKind.DOUBLED: "Have PDI take back all but one of these entries.",
    DifferenceKind.POINTS_DIFFER: (
        "Ask PDI who changed the entry after it was booked. Where nobody meant to, have PDI put our figure back."
    ),
    DifferenceKind.KEY_DIFFERS: (
        "The points are right. Ask PDI how the entry came by another key: a repeat under ours would book it again."
    ),
    DifferenceKind.RETURN_MISSING: (
        "Ask PDI for the entry, by the key. Where it is truly not there, have PDI take the points back by hand."
    ),
    DifferenceKind.RETURN_UNKNOWN_TO_US: (
        "Have PDI give back what it took: no return of ours stands behind it. "
        "Where the return is parked instead: loyalty sessions retry."
    ),
    DifferenceKind.RETURN_POINTS_DIFFER: (
        "Ask PDI who changed the entry after it was booked. Where nobody meant to, have PDI put our figures back."
    ),
    DifferenceKind.STATUS_DIFFERS: "The points are right. Ask PDI to correct the status of its session.",
    DifferenceKind.SESSION_UNKNOWN_AT_HOST: (
        "Look the sale up at PDI by channel and transaction: not knowing its session proves nothing about the points."
    ),
    DifferenceKind.BOOKED_OTHERWISE: (
        "Our figure counts here and PDI booked another. Compare the two programs, and have PDI book the difference."
    ),
    DifferenceKind.REDEMPTION_REFUSED: (
        "The POS may have given the discount, and PDI took no points for it. Settle it with the shop; "
        "PDI owes nothing, and no repeat is under way."
    ),
    DifferenceKind.STILL_OWED: (
        "See with loyalty sessions show why PDI does not take it. "
        "What is parked waits for loyalty sessions retry, or abandon."
    ),
    DifferenceKind.NOT_ANSWERED: (
        "Ask PDI why it answers for other sessions and not for this one. It is asked again in every run."
    ),
}


def proposal(found: Difference) -> str:
    """What to do about it."""
    return _PROPOSALS[found.kind]
