"""Quotes per second beside GoRules' zen-engine: ``python -m tests.benchmarks.rewards``.

Both decide the same twenty promotions on the same baskets of ten lines, turn by turn in one process, so that a busy
machine slows both; each round's figure is CPU time. The engine only finds, line by line, which promotions match and
what each would yield, in floating point. The library also spreads the amount exactly, applies minimums, exclusions,
tiers, stacking and caps, and returns a quote.
"""

import json
import random
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from time import process_time
from typing import Any, Final

import msgspec
import zen

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.explanation import explain
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.program_parts import Day, Per, Promotion, Stacking, TimeWindow
from loyalty_core.domain.rewards import calculate

SUBJECT: Final = "calculate, best"
EXPLAINED: Final = "explain, best"
PEER: Final = "zen-engine"
ROUNDS: Final = 5
BASKETS: Final = 1_000
LINES: Final = 10
CATEGORIES: Final = ("coffee", "bakery", "snacks", "drinks", "dairy", "fruit", "frozen", "fuel")
WEEKDAYS: Final = tuple(Day)[:5]
NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
GOLD: Final = Member(CustomerId("CUST-1"), "Gold")
TILL: Final = ChannelId("POS-1")


def promotions() -> tuple[Promotion, ...]:
    """Twenty of every kind: multipliers, points per unit, line and basket, with and without conditions."""
    made = []
    for number in range(20):
        category = CATEGORIES[number % len(CATEGORIES)]
        name = f"promotion-{number}"
        match number % 5:
            case 0:
                offer = Promotion(name, name, multiplier=Decimal(2) + number, categories=(category,))
            case 1:
                day = TimeWindow(time(6), time(22))
                offer = Promotion(
                    name,
                    name,
                    multiplier=Decimal("1.5"),
                    categories=(category,),
                    minimum_spend=Decimal(5),
                    days_of_week=WEEKDAYS,
                    times_of_day=(day,),
                )
            case 2:
                offer = Promotion(name, name, points=number, per=Per.UNIT, categories=(category,), tiers=("Gold",))
            case 3:
                offer = Promotion(name, name, points=number, per=Per.LINE, categories=(category,), channels=(TILL,))
            case _:
                offer = Promotion(name, name, points=50, per=Per.BASKET, minimum_spend=Decimal(10 * number))
        made.append(offer)
    return tuple(made)


def program(stacking: Stacking) -> RewardProgram:
    base = built_in_program()
    return msgspec.structs.replace(base, id="benchmark", stacking=stacking, promotions=promotions())


def baskets() -> list[Basket]:
    """Different ones, seeded, and made anew for each measurement, so that nothing is remembered about them."""
    source = random.Random(7)
    made = []
    for _ in range(BASKETS):
        lines = tuple(
            BasketLine(
                f"SKU-{source.randrange(500)}",
                Decimal(source.randrange(1, 5)),
                Decimal(source.randrange(50, 2_000)).scaleb(-2),
                source.choice((*CATEGORIES, "tobacco")),
            )
            for _ in range(LINES)
        )
        total = sum((line.quantity * (line.unit_price or 0) for line in lines), Decimal(0))
        made.append(Basket(total, lines, TILL))
    return made


def decision_table() -> Any:
    """The same promotions for the engine: one row each, evaluated for every line, all matches collected."""
    columns = {"category": "Category", "tier": "Tier", "channel": "Channel", "spend": "Spend", "hour": "Hour"}
    rows = []
    for number, promotion in enumerate(promotions()):
        matched = promotion.per is Per.BASKET
        if promotion.multiplier is not None:
            points = f"spend * 2 * {promotion.multiplier - 1}"
        else:
            points = f"{promotion.points} * quantity" if promotion.per is Per.UNIT else f"{promotion.points}"
        rows.append(
            {
                "_id": f"row-{number}",
                "category": "" if matched else json.dumps(promotion.categories[0]),
                "tier": json.dumps(promotion.tiers[0]) if promotion.tiers else "",
                "channel": json.dumps(promotion.channels[0]) if promotion.channels else "",
                "spend": f">= {promotion.minimum_spend}" if promotion.minimum_spend else "",
                "hour": "[6..22)" if promotion.times_of_day else "",
                "promotion": json.dumps(promotion.id),
                "points": points,
            }
        )
    table = {
        "hitPolicy": "collect",
        "executionMode": "loop",
        "inputField": "lines",
        "outputPath": "decided",
        "inputs": [{"id": key, "name": name, "field": key} for key, name in columns.items()],
        "outputs": [{"id": key, "name": key, "field": key} for key in ("promotion", "points")],
        "rules": rows,
    }
    place = {"x": 0, "y": 0}
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in", "position": place},
        {"id": "table", "type": "decisionTableNode", "name": "table", "position": place, "content": table},
        {"id": "out", "type": "outputNode", "name": "out", "position": place},
    ]
    edges = [
        {"id": "a", "type": "edge", "sourceId": "in", "targetId": "table"},
        {"id": "b", "type": "edge", "sourceId": "table", "targetId": "out"},
    ]
    return zen.ZenEngine().create_decision(json.dumps({"nodes": nodes, "edges": edges}))


def facts(basket: Basket) -> dict[str, Any]:
    return {
        "lines": [
            {
                "category": line.category,
                "tier": "Gold",
                "channel": TILL,
                "spend": float(line.quantity * (line.unit_price or 0)),
                "quantity": float(line.quantity),
                "hour": NOON.hour,
            }
            for line in basket.lines
        ]
    }


def microseconds(work: Callable[[Any], object], inputs: Sequence[Any]) -> float:
    """CPU time of `work` per input."""
    begun = process_time()
    for each in inputs:
        work(each)
    return (process_time() - begun) / len(inputs) * 1e6


def medians() -> dict[str, float]:
    """The median microseconds for each way to work out a basket, all of them taking turns."""
    best, added = program(Stacking.BEST), program(Stacking.SUM)
    decision = decision_table()
    contents = [msgspec.json.encode(basket) for basket in baskets()]
    read = msgspec.json.Decoder(Basket).decode
    works: dict[str, tuple[Callable[[Any], object], Callable[[], Sequence[Any]]]] = {
        SUBJECT: (lambda basket: calculate(best, basket, GOLD, NOON), baskets),
        "calculate, sum": (lambda basket: calculate(added, basket, GOLD, NOON), baskets),
        "calculate and read the basket from JSON": (
            lambda raw: calculate(best, read(raw), GOLD, NOON),
            lambda: contents,
        ),
        EXPLAINED: (lambda basket: explain(best, basket, GOLD, NOON), baskets),
        PEER: (decision.evaluate, lambda: [facts(basket) for basket in baskets()]),
    }
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (work, inputs) in works.items():
            measured[name].append(microseconds(work, inputs()))
    return {name: statistics.median(times) for name, times in measured.items()}


def main() -> None:
    found = medians()
    peer, ours = found[PEER], found[SUBJECT]
    print(f"{LINES} lines, {len(promotions())} promotions, {ROUNDS} rounds of {BASKETS} baskets, medians")  # noqa: T201 - its report
    for name, each in found.items():
        print(f"{name:42} {each:8.1f} µs {1e6 / each:10,.0f} /s {peer / each:6.1f} x zen-engine")  # noqa: T201 - its report
    print(f"{'the explanation by line adds':42} {found[EXPLAINED] - ours:8.1f} µs")  # noqa: T201 - its report


if __name__ == "__main__":
    main()
