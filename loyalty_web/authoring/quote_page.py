"""A quote on a page: what a store manager reads when a customer asks why."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.explanation import Explanation, LineExplanation
from loyalty_core.domain.member import Member
from loyalty_core.domain.money import spelled
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.rewards_spread import ExclusionReason
from loyalty_web.authoring.page import name, number, table
from loyalty_web.authoring.reasons import reason
from loyalty_web.authoring.wording import counted, figure, money


def quote_page(
    program: RewardProgram, basket: Basket, member: Member, explanation: Explanation
) -> Iterator[RenderableType]:
    """`explanation`, which is of the other arguments."""
    at = explanation.quote.at.astimezone(ZoneInfo(program.time_zone))
    yield f"{program.id}, version {program.version}, content hash {program.content_hash[:12]}"
    moment = f"{at:%a %Y-%m-%d %H:%M:%S} {program.time_zone}"
    yield f"{_customer(program, member, explanation)} at {basket.channel}, {moment}"
    if explanation.lines:
        yield _lines(program, basket, explanation)
    if explanation.promotions:
        yield _promotions(program, basket, member, explanation)
    yield _points(program, basket, member, explanation)


def _customer(program: RewardProgram, member: Member, explanation: Explanation) -> str:
    if member.tier is None:
        return "Customer of no known tier"
    return f"Tier {member.tier}" + (f", which {program.id} does not know," if explanation.quote.unknown_tier else "")


def _lines(program: RewardProgram, basket: Basket, explanation: Explanation) -> Table:
    discounted = explanation.quote.redemption is not None
    capped = explanation.quote.capped_points > 0
    columns = [number("line"), name("SKU"), number("qty"), number("spend")]
    columns += [number("paid by points")] if discounted else []
    columns += [number("base"), number("tier"), name("promotions")]
    columns += [number("cut by cap")] if capped else []
    lines = table(*columns, number("points"))
    for line in explanation.lines:
        figures = [str(line.position), line.sku or "(no lines)", spelled(line.quantity), figure(line.spend, program)]
        figures += [figure(line.discount, program)] if discounted else []
        figures += [str(line.base_points), str(line.tier_bonus), _why(basket, line)]
        figures += [str(line.capped_points)] if capped else []
        lines.add_row(*figures, str(line.earned_points))
    return lines


def _why(basket: Basket, line: LineExplanation) -> str:
    """Which promotions a line has points of, or why it has none at all."""
    if line.exclusion is ExclusionReason.SKU:
        return "excluded: this SKU never earns"
    if line.exclusion is ExclusionReason.CATEGORY:
        return f"excluded: category {basket.lines[line.position].category} never earns"
    return "\n".join(f"{share.id} {share.points}" for share in line.promotions)


def _promotions(program: RewardProgram, basket: Basket, member: Member, explanation: Explanation) -> Table:
    promotions = table(name("promotion"), number("points"), "why")
    for explained, promotion in zip(explanation.promotions, program.promotions, strict=True):
        promotions.add_row(
            f"{explained.id}\n{explained.name}",
            str(explained.points),
            reason(explained, promotion, program, basket, member),
        )
    return promotions


def _points(program: RewardProgram, basket: Basket, member: Member, explanation: Explanation) -> Table:
    quote = explanation.quote
    points = table("", number("points"), "how")
    points.add_row("base", str(quote.base_points), _eligible(program, basket, explanation))
    bonus = next((tier.bonus_percent for tier in program.tiers if tier.name == member.tier), None)
    points.add_row("tier bonus", str(quote.tier_bonus), "" if bonus is None else f"{spelled(bonus)} % of base")
    points.add_row("promotions", str(quote.bonus_points - quote.tier_bonus), "")
    points.add_row(
        "earned",
        str(quote.earned_points),
        f"{quote.multiplier} per {program.currency} of the whole basket",
        end_section=True,
    )
    if quote.capped_points:
        points.add_row("cut", str(quote.capped_points), "by the cap on the transaction; promotions give way first")
    if quote.redemption is not None:
        paid = money(quote.redemption.discount, program)
        points.add_row("redeemed", str(quote.redemption.points), f"{paid} off; what they pay for earns nothing")
    return points


def _eligible(program: RewardProgram, basket: Basket, explanation: Explanation) -> str:
    spend = f"{figure(explanation.eligible_spend, program)} of {money(basket.amount, program)} earns"
    if explanation.below_minimum:
        return f"{spend} nothing: the least is {money(program.minimum_spend, program)}"
    rate = program.points_per_unit
    each = counted(int(rate), "point") if rate == int(rate) else f"{spelled(rate)} points"
    return f"{spend} {each} per {program.currency}"
