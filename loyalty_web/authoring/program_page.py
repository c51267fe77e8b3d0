"""A reward program on a page."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from loyalty_core.domain.money import spelled
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_parts import Stacking
from loyalty_web.authoring.page import name, number, table
from loyalty_web.authoring.wording import conditions, counted, listed, money, reward

_STACKING = {
    Stacking.BEST: "a line counts for the one promotion that gives most on it",
    Stacking.SUM: "a line counts for every promotion that matches it",
}


def program_page(program: RewardProgram) -> Iterator[RenderableType]:
    """Everything that `program` says."""
    yield f"{program.id}, version {program.version}"
    yield f"content hash {program.content_hash}"
    yield _rules(program)
    yield _tiers(program)
    if program.promotions:
        yield _promotions(program)


def summary(program: RewardProgram) -> str:
    """The program in one line."""
    parts = (counted(len(program.tiers), "tier"), counted(len(program.promotions), "promotion"))
    return f"{program.id} {program.version}: {program.currency}, {listed(parts)}, hash {program.content_hash[:12]}"


def _rules(program: RewardProgram) -> Table:
    rules = table("rule", name("value"))
    rules.add_row("base", f"{_points(program)} per {program.currency} of what is left after exclusions and redemption")
    rules.add_row("time zone", program.time_zone)
    rules.add_row("minimum spend", money(program.minimum_spend, program) if program.minimum_spend else "none")
    rules.add_row("stacking", _STACKING[program.stacking])
    rules.add_row("excluded categories", listed(program.exclusions.categories) or "none")
    rules.add_row("excluded SKUs", listed(program.exclusions.skus) or "none")
    rules.add_row("caps", _caps(program))
    rules.add_row("redemption", _redemption(program))
    return rules


def _points(program: RewardProgram) -> str:
    rate = spelled(program.points_per_unit)
    return f"{rate} point{'' if rate == '1' else 's'}"


def _caps(program: RewardProgram) -> str:
    caps = program.caps
    most = (
        (caps.points_per_transaction, "point", "a transaction"),
        (caps.points_per_promotion, "point", "a promotion"),
        (caps.promotions_per_transaction, "promotion", "a transaction"),
    )
    told = [f"{counted(cap, noun)} {per}" for cap, noun, per in most if cap is not None]
    return f"at most {listed(told)}" if told else "none"


def _redemption(program: RewardProgram) -> str:
    rules = program.redemption
    if rules is None:
        return "points are not taken as payment"
    share = "" if rules.largest_share_percent == 100 else f", {spelled(rules.largest_share_percent)} % of the basket"
    return (
        f"{counted(rules.points_per_unit, 'point')} for 1 {program.currency}; "
        f"at least {rules.minimum_points:,}, in steps of {rules.step:,}{share and ', at most' + share[1:]}"
    )


def _tiers(program: RewardProgram) -> Table:
    tiers = table(name("tier"), number("bonus on base"))
    for tier in program.tiers:
        tiers.add_row(tier.name, f"{spelled(tier.bonus_percent)} %")
    tiers.add_row("any other", "0 %")
    return tiers


def _promotions(program: RewardProgram) -> Table:
    promotions = table(name("promotion"), "gives", "conditions")
    for promotion in program.promotions:
        alone = "; pays alone or not at all" if promotion.exclusive else ""
        promotions.add_row(
            f"{promotion.id}\n{promotion.name}", reward(promotion), conditions(promotion, program) + alone
        )
    return promotions
