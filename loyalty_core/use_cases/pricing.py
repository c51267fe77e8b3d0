"""Quotes by the program in force, and who has the last word on a figure."""

from collections import OrderedDict
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from loyalty_core.domain.basket import Basket, InvalidBasket
from loyalty_core.domain.explanation import LineExplanation, lines_of
from loyalty_core.domain.identifiers import CustomerId, QuoteId
from loyalty_core.domain.member import Member
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.rewards import Quote, calculate, quote_of
from loyalty_core.domain.rewards_decision import Decision, decide
from loyalty_core.domain.session_quote import HostQuote, SessionQuote
from loyalty_core.ports.identifier_source import IdentifierSource
from loyalty_core.ports.program_source import ProgramSource

_ANYBODY: Final = CustomerId("")
"""Whose points they are does not change them."""
_REMEMBERED: Final = 256
"""Quotes whose workings are at hand: more than a process works on at once."""


class Authority(StrEnum):
    """Whose figure of a quote counts."""

    HOST = "pdi"
    """The host's; ours is kept beside it, and differences are counted."""
    LOCAL = "local"
    """Ours; the host is not asked for quotes and has to book our figure."""


class _Workings:
    """How quotes of a moment ago came about, until they are explained: nearly all are, by the call that made them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[QuoteId, tuple[Quote, Decision]] = OrderedDict()

    def keep(self, quote: SessionQuote, decision: Decision) -> None:
        """Remember it; the oldest is forgotten."""
        self._kept[quote.id] = quote.ours, decision
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)

    def take(self, quote: SessionQuote) -> Decision | None:
        """What led to these very figures, where that is known; it is known once."""
        figures, decision = self._kept.pop(quote.id, (None, None))
        return decision if figures is quote.ours else None


class Pricing:
    """Computes session quotes."""

    def __init__(self, programs: ProgramSource, identifiers: IdentifierSource, authority: Authority) -> None:
        self._programs = programs
        self._identifiers = identifiers
        self._authority = authority
        self._workings = _Workings()

    def asks_host(self, basket: Basket) -> bool:
        """Whether a quote of `basket` needs the host: always to spend points, else under its authority."""
        return not basket.is_empty and (self._authority is Authority.HOST or basket.redeem_points > 0)

    def quote(self, basket: Basket, customer: CustomerId, tier: str | None, at: datetime) -> SessionQuote:
        """A quote by our own program.

        Raises:
            ValidationFailed, RedemptionRefused: the program in force does not allow the amount or the redemption.
        """
        program, member = self._programs.current(), Member(customer, tier)
        decision = decide(program, basket, member, at)
        quote = SessionQuote(
            id=self._identifiers.quote_id(),
            basket=basket,
            tier=tier,
            ours=quote_of(decision, program, basket, member, at),
        )
        self._workings.keep(quote, decision)
        return quote

    def lines(self, quote: SessionQuote) -> tuple[LineExplanation, ...]:
        """Our figures of `quote`, line by line; none once another program is in force than the one that made them."""
        program = self._programs.current()
        if program.content_hash != quote.ours.program_hash:
            return ()
        decision = self._workings.take(quote)
        if decision is None:
            decision = decide(program, quote.basket, Member(_ANYBODY, quote.tier), quote.at)
        return lines_of(decision, program, quote.basket)

    def confirmed(self, quote: SessionQuote, host: HostQuote | None) -> SessionQuote:
        """`quote` with the host's figures; provisional where the host could not be asked."""
        if host is None:
            return msgspec.structs.replace(quote, provisional=True)
        if self._authority is Authority.LOCAL:
            # The host was asked for its consent to a redemption only; the figure stays ours.
            consent = HostQuote(
                earned_points=quote.ours.earned_points,
                bonus_points=quote.ours.bonus_points,
                base_points=quote.ours.base_points,
                tier_bonus=quote.ours.tier_bonus,
                multiplier=quote.ours.multiplier,
                redemption_confirmed=host.redemption_confirmed,
            )
            return msgspec.structs.replace(quote, host=consent)
        return msgspec.structs.replace(quote, host=host)

    def is_current(self, quote: SessionQuote, tier: str | None) -> bool:
        """Whether the same basket would be quoted the same way now."""
        return quote.tier == tier and quote.ours.program_hash == self._programs.current().content_hash

    def with_tier(self, quote: SessionQuote, customer: CustomerId, tier: str | None) -> SessionQuote:
        """`quote` as it would have been had the tier been known; the very same one where that changes nothing.

        So it is where the program that is in force by now cannot compute the basket: what was promised is still owed.
        """
        if quote.tier == tier or quote.host is not None:
            return quote
        try:
            ours = calculate(self._programs.current(), quote.basket, Member(customer, tier), quote.at)
        except (InvalidBasket, RedemptionRefused):
            return quote
        return msgspec.structs.replace(quote, tier=tier, ours=ours)
