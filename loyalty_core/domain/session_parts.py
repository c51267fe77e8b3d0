"""What a session is told and tells: the answer that opened it, what a POS asked it to commit, what the host booked."""

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import ReceiptId
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.domain.session_status import SessionStatus


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What the POS was told at identify; with the session's own fields it rebuilds that answer byte for byte."""

    fingerprint: str
    name: str | None = None
    points: int | None = None
    tier: str | None = None
    provisional: bool = False

    def __repr__(self) -> str:
        return f"Opening(tier={self.tier!r}, provisional={self.provisional})"


class FinalizeIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What a POS asked to commit, written before anything is sent; the body sent to the host is frozen with it."""

    fingerprint: str
    basket: Basket
    apply_rewards: bool
    receipt: ReceiptId
    quote: SessionQuote
    resumes: SessionStatus
    """The state to go back to when the host says no to the live call."""
    promised_points: int | None = None
    """The provisional figure of the 202 a POS was given, kept so that its replays say the same."""
    origin: str | None = None
    """The work that made it, as the observer names it: a delivery long after can be traced back to it."""


class HostReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the host says it booked."""

    earned_points: int
    new_balance: int | None = None
    """The customer's balance after it; None where it was learnt from a status query, which does not tell it."""
