"""A session's quote in the words of the published API."""

from loyalty_core.domain.session_quote import SessionQuote
from loyalty_core.use_cases.answers import Breakdown, LineShare, PromotionShare, QuoteAnswer, RedemptionShare
from loyalty_core.use_cases.pricing import Pricing


def quote_answer(quote: SessionQuote, pricing: Pricing, version: int) -> QuoteAnswer:
    """The figures that count (the host's where it gave any), and our program's explanation, line by line.

    The lines are explained only while the program that computed them is in force; it is kept by its hash for others.
    """
    ours, host = quote.ours, quote.host
    promotions = tuple(PromotionShare(id=award.id, name=award.name, points=award.points) for award in ours.promotions)
    agrees = host is None or host.earned_points == ours.earned_points
    return QuoteAnswer(
        earned_points=quote.earned_points,
        multiplier=ours.multiplier if host is None else host.multiplier,
        bonus_points=ours.bonus_points if host is None else host.bonus_points,
        breakdown=Breakdown(
            base_points=ours.base_points if host is None else host.base_points,
            tier_bonus=ours.tier_bonus if host is None else host.tier_bonus,
            promotions=promotions if agrees else (),
        ),
        quote_id=quote.id,
        program_version=ours.program_version,
        provisional=quote.provisional,
        version=version,
        lines=_lines(quote, pricing),
        redemption=None
        if ours.redemption is None
        else RedemptionShare(points=ours.redemption.points, discount=ours.redemption.discount),
    )


def _lines(quote: SessionQuote, pricing: Pricing) -> tuple[LineShare, ...]:
    names = {award.id: award.name for award in quote.ours.promotions}
    return tuple(
        LineShare(
            line=line.position,
            sku=line.sku or None,
            spend=line.spend,
            discount=line.discount,
            exclusion=line.exclusion,
            earned_points=line.earned_points,
            base_points=line.base_points,
            tier_bonus=line.tier_bonus,
            promotions=tuple(
                PromotionShare(id=share.id, name=names[share.id], points=share.points) for share in line.promotions
            ),
            capped_points=line.capped_points,
        )
        for line in pricing.lines(quote)
    )
