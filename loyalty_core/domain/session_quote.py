"""What a session was quoted: our figures, the host's where it gave any, and which of the two counts."""

from datetime import datetime
from decimal import Decimal

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import QuoteId
from loyalty_core.domain.rewards import Quote


class HostQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The host's figures for a basket. Points are whole points."""

    earned_points: int
    bonus_points: int
    base_points: int
    tier_bonus: int
    multiplier: Decimal
    redemption_confirmed: bool = False
    """Whether the host has confirmed that the customer can spend the points asked for."""


class SessionQuote(msgspec.Struct, frozen=True, kw_only=True):
    """One quote given to a POS, kept so that it can be honoured and explained."""

    id: QuoteId
    basket: Basket
    tier: str | None
    ours: Quote
    host: HostQuote | None = None
    """None under local authority, and where the host could not be asked (then `provisional`)."""
    provisional: bool = False
    """Whether the host's own figure was wanted and could not be had."""

    @property
    def at(self) -> datetime:
        """The time the quote was computed for."""
        return self.ours.at

    @property
    def earned_points(self) -> int:
        """The figure that counts: the host's where it gave one, else ours."""
        return self.ours.earned_points if self.host is None else self.host.earned_points

    @property
    def disagreement(self) -> int | None:
        """The host's figure less ours, in points; None where the host gave none."""
        return None if self.host is None else self.host.earned_points - self.ours.earned_points
