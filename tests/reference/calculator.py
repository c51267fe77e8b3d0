"""Points of a basket, step by step, with fractions and plain loops.

Shares nothing with the library: it reads a program from the plain values of its TOML file and a basket from plain
values, and takes no short cut. Where the two disagree, one of them is wrong.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class NotRedeemable(Exception):
    """The program does not take these points for this basket."""


@dataclass
class Line:
    sku: str
    category: str | None
    quantity: Fraction
    price: Fraction | None
    spend: Fraction = Fraction(0)


@dataclass
class Result:
    base: int = 0
    tier: int = 0
    promotions: dict[str, int] = field(default_factory=dict)
    capped: int = 0
    discount: Fraction = Fraction(0)

    @property
    def earned(self) -> int:
        return self.base + self.tier + sum(self.promotions.values())


def reference_points(
    program: dict[str, Any],
    *,
    amount: Fraction,
    lines: list[Line],
    channel: str,
    tier: str | None,
    redeem: int,
    at: datetime,
) -> Result:
    """What the basket earns under `program`, the plain values of a TOML file with `Fraction` for its decimals."""
    result = Result()
    if redeem:
        result.discount = discount(program, amount, redeem)
    if not lines and amount == 0:
        return result
    lines = lines or [Line("", None, Fraction(1), None)]
    spread(lines, amount)
    if redeem:
        for line in lines:
            line.spend -= line.spend * result.discount / amount

    exclusions = program.get("exclusions", {})
    eligible = [
        line
        for line in lines
        if line.sku not in exclusions.get("skus", []) and line.category not in exclusions.get("categories", [])
    ]
    spend = sum((line.spend for line in eligible), Fraction(0))
    if spend < program.get("minimum_spend", 0):
        return result
    rate = Fraction(program["points_per_unit"])
    result.base = floor(spend * rate)
    for each in program.get("tiers", []):
        if each["name"] == tier:
            result.tier = floor(result.base * Fraction(each["bonus_percent"]) / 100)

    result.promotions = best_alternative(program, eligible, channel, tier, at)
    cap_transaction(program, result)
    return result


def spread(lines: list[Line], amount: Fraction) -> None:
    priced = [line for line in lines if line.price is not None]
    unpriced = [line for line in lines if line.price is None]
    costs = {id(line): line.quantity * (line.price or 0) for line in lines}
    total = sum((costs[id(line)] for line in priced), Fraction(0))
    if unpriced and total <= amount:
        for line in priced:
            line.spend = costs[id(line)]
        quantity = sum(line.quantity for line in unpriced)
        for line in unpriced:
            line.spend = (amount - total) * line.quantity / quantity
    elif total > 0:
        for line in lines:
            line.spend = costs[id(line)] * amount / total
    else:
        quantity = sum(line.quantity for line in lines)
        for line in lines:
            line.spend = amount * line.quantity / quantity


def discount(program: dict[str, Any], amount: Fraction, points: int) -> Fraction:
    rules = program.get("redemption")
    if rules is None:
        raise NotRedeemable
    if points < rules.get("minimum_points", 1) or points % rules.get("step", 1):
        raise NotRedeemable
    coins = 10 ** program["minor_units"]
    worth = Fraction(floor(Fraction(points, rules["points_per_unit"]) * coins), coins)
    if worth == 0 or worth > amount * Fraction(rules.get("largest_share_percent", 100)) / 100:
        raise NotRedeemable
    return worth


def is_open(promotion: dict[str, Any], zone: ZoneInfo, at: datetime) -> bool:
    if "valid_from" in promotion and at < promotion["valid_from"].replace(tzinfo=zone).astimezone(UTC):
        return False
    if "valid_to" in promotion and at >= promotion["valid_to"].replace(tzinfo=zone).astimezone(UTC):
        return False
    local = at.astimezone(zone).replace(tzinfo=None)
    today = datetime.combine(local.date(), time.min)
    windows = promotion.get("times_of_day", [{"start": time.min, "end": time.min}])
    for day in (today, today - timedelta(days=1)):
        if DAYS[day.weekday()] not in promotion.get("days_of_week", DAYS):
            continue
        for window in windows:
            start, end = datetime.combine(day, window["start"]), datetime.combine(day, window["end"])
            if end <= start:
                end += timedelta(days=1)
            if start <= local < end:
                return True
    return False


def matching(
    program: dict[str, Any],
    promotion: dict[str, Any],
    eligible: list[Line],
    channel: str,
    tier: str | None,
    at: datetime,
) -> list[Line]:
    """The lines that the promotion applies to: none unless all its conditions hold."""
    lines = [
        line
        for line in eligible
        if ("skus" not in promotion or line.sku in promotion["skus"])
        and ("categories" not in promotion or line.category in promotion["categories"])
    ]
    conditions = (
        is_open(promotion, ZoneInfo(program["time_zone"]), at),
        "tiers" not in promotion or tier in promotion["tiers"],
        "channels" not in promotion or channel in promotion["channels"],
        sum(line.quantity for line in lines) >= promotion.get("minimum_quantity", 0),
        sum(line.spend for line in lines) >= promotion.get("minimum_spend", 0),
    )
    return lines if all(conditions) else []


def yield_on(program: dict[str, Any], promotion: dict[str, Any], line: Line) -> Fraction:
    """What the promotion adds for one line; rewards per basket are not per line."""
    if "multiplier" in promotion:
        return (Fraction(promotion["multiplier"]) - 1) * line.spend * Fraction(program["points_per_unit"])
    if promotion["per"] == "unit":
        return Fraction(promotion["points"]) * line.quantity
    return Fraction(promotion["points"])


def best_alternative(
    program: dict[str, Any], eligible: list[Line], channel: str, tier: str | None, at: datetime
) -> dict[str, int]:
    applying = []
    for place, promotion in enumerate(program.get("promotions", [])):
        lines = matching(program, promotion, eligible, channel, tier, at)
        if lines:
            applying.append((place, promotion, lines))
    together = [each for each in applying if not each[1].get("exclusive", False)]
    alternatives = [together, *([each] for each in applying if each[1].get("exclusive", False))]
    paid = [pay(program, each) for each in alternatives]
    most = max(sum(points.values()) for points in paid)
    best = min((points for points in paid if sum(points.values()) == most), key=lambda points: min(points, default=-1))
    return {program["promotions"][place]["id"]: best[place] for place in sorted(best)}


def pay(program: dict[str, Any], applying: list[tuple[int, dict[str, Any], list[Line]]]) -> dict[int, int]:
    """Points by place in the program, of promotions that pay together, under their own caps."""
    exact: dict[int, Fraction] = {}
    for place, promotion, lines in applying:
        if promotion.get("per") == "basket":
            exact[place] = Fraction(promotion["points"])
        elif program.get("stacking", "best") == "sum":
            exact[place] = sum((yield_on(program, promotion, line) for line in lines), Fraction(0))
    if program.get("stacking", "best") == "best":
        for line in {id(line): line for _, _, lines in applying for line in lines}.values():
            offers = [
                (yield_on(program, promotion, line), -place)
                for place, promotion, lines in applying
                if promotion.get("per") != "basket" and any(line is each for each in lines)
            ]
            if offers:
                most, negative = max(offers)
                exact[-negative] = exact.get(-negative, Fraction(0)) + most
    points = {place: floor(each) for place, each in exact.items()}
    if program.get("stacking", "best") == "best":
        missing = floor(sum(exact.values(), Fraction(0))) - sum(points.values())
        for place in sorted(exact, key=lambda place: (points[place] - exact[place], place))[:missing]:
            points[place] += 1
    caps = program.get("caps", {})
    capped = {place: min(each, caps.get("points_per_promotion", each)) for place, each in points.items() if each}
    ranked = sorted(capped, key=lambda place: (-capped[place], place))
    return {place: capped[place] for place in ranked[: caps.get("promotions_per_transaction", len(ranked))]}


def cap_transaction(program: dict[str, Any], result: Result) -> None:
    cap = program.get("caps", {}).get("points_per_transaction", result.earned)
    while result.earned > cap:
        excess = result.earned - cap
        if result.promotions:
            last, points = result.promotions.popitem()
            if points > excess:
                result.promotions[last] = points - excess
                result.capped += excess
            else:
                result.capped += points
        elif result.tier:
            taken = min(result.tier, excess)
            result.tier -= taken
            result.capped += taken
        else:
            result.base -= excess
            result.capped += excess
