"""What a finalize asks for, and the figures it commits."""

from datetime import datetime
from decimal import Decimal

import msgspec

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import QuoteChanged, ValidationFailed
from loyalty_core.domain.fingerprint import fingerprint
from loyalty_core.domain.identifiers import QuoteId, SessionId, TransactionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.use_cases.pricing import Pricing


class Finalize(msgspec.Struct, frozen=True, kw_only=True):
    """Commit the rewards of a sale, once.

    Raises:
        ValidationFailed: points are to be spent on a sale without rewards.
    """

    caller: Caller
    session_id: SessionId
    transaction: TransactionId
    """The session's own, repeated."""
    final_amount: Decimal
    apply_rewards: bool
    quote_id: QuoteId | None = None
    lines: tuple[BasketLine, ...] | None = None
    """The basket where it has changed since it was quoted; None: as quoted."""
    redeem_points: int = 0
    if_match: int | None = None

    def __post_init__(self) -> None:
        if self.redeem_points and not self.apply_rewards:
            raise ValidationFailed.of("redeemPoints", "must be left out where applyRewards is false")

    def fingerprint(self) -> str:
        """What the call means within its session."""
        return fingerprint(
            transaction=self.transaction,
            final_amount=self.final_amount,
            apply_rewards=self.apply_rewards,
            quote_id=self.quote_id,
            lines=self.lines,
            redeem_points=self.redeem_points,
        )


def figures_for(command: Finalize, session: Session, pricing: Pricing, now: datetime) -> SessionQuote:
    """The figures to commit: the quote the POS showed where it still fits, else the basket computed afresh."""
    quoted = session.quote
    lines = command.lines
    if lines is None:
        lines = quoted.basket.lines if quoted is not None else ()
    basket = Basket(
        amount=command.final_amount,
        lines=lines,
        channel=session.channel,
        redeem_points=command.redeem_points,
    )
    if quoted is not None and quoted.basket == basket:
        if command.quote_id == quoted.id or command.redeem_points:
            return _confirmed(quoted)
        if command.quote_id is None and pricing.is_current(quoted, session.tier):
            return quoted
    fresh = pricing.quote(basket, session.customer, session.tier, session.occurred_at or now)
    quoted_redemption = 0 if quoted is None else quoted.basket.redeem_points
    if command.quote_id is not None or command.redeem_points or quoted_redemption:
        raise QuoteChanged(
            "what is to be finalized is not what was quoted; call calculateRewards with this basket, show the "
            "customer its figures, and finalize with its quoteId and redeemPoints",
            quoted_points=None if quoted is None else quoted.earned_points,
            current_points=fresh.earned_points,
        )
    return fresh


def _confirmed(quote: SessionQuote) -> SessionQuote:
    """`quote`, if the host has agreed to what it spends."""
    if quote.basket.redeem_points and not (quote.host is not None and quote.host.redemption_confirmed):
        raise QuoteChanged(
            "the redemption was not confirmed by the loyalty host; call calculateRewards again",
            quoted_points=quote.earned_points,
            current_points=quote.earned_points,
        )
    return quote
