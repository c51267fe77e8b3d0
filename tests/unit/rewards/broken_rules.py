"""Ways to break one rule of a program, each with the path of the field at fault."""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

NOON, DAWN = time(12), time(6)
MONDAY, TUESDAY = datetime(2026, 3, 2), datetime(2026, 3, 3)  # noqa: DTZ001 - local to the program's zone

BROKEN_PROMOTIONS: list[tuple[dict[str, Any], str]] = [
    ({"id": "no spaces"}, ".id"),
    ({"name": " "}, ".name"),
    ({"name": "n" * 101}, ".name"),
    ({"name": "bell\x07"}, ".name"),
    ({"multiplier": Decimal("0.999")}, ".multiplier"),
    ({"multiplier": Decimal("1000.001")}, ".multiplier"),
    ({"multiplier": Decimal("1.0001")}, ".multiplier"),
    ({"points": 5}, ".points"),
    ({"per": "line"}, ".per"),
    ({"multiplier": None}, ""),
    ({"multiplier": None, "points": 5}, ".per"),
    ({"multiplier": None, "points": 0, "per": "line"}, ".points"),
    ({"multiplier": None, "points": 10**6 + 1, "per": "line"}, ".points"),
    ({"skus": ["A", "B", "A"]}, ".skus[2]"),
    ({"skus": ["A B"]}, ".skus[0]"),
    ({"categories": ["fresh", ""]}, ".categories[1]"),
    ({"minimum_quantity": Decimal("0.00001")}, ".minimum_quantity"),
    ({"minimum_quantity": Decimal(5 * 10**8 + 1)}, ".minimum_quantity"),
    ({"minimum_spend": Decimal(10) ** 10}, ".minimum_spend"),
    ({"tiers": ["Gold", "Gld"]}, ".tiers[1]"),
    ({"tiers": ["Gold", "Gold"]}, ".tiers[1]"),
    ({"channels": ["POS 1"]}, ".channels[0]"),
    ({"valid_from": TUESDAY, "valid_to": MONDAY}, ".valid_to"),
    ({"valid_from": MONDAY, "valid_to": MONDAY}, ".valid_to"),
    ({"valid_from": MONDAY.replace(tzinfo=UTC)}, ".valid_from"),
    ({"valid_to": MONDAY.replace(year=1969)}, ".valid_to"),
    ({"valid_from": MONDAY.replace(year=9999)}, ".valid_from"),
    ({"valid_from": MONDAY.replace(year=9999), "valid_to": MONDAY}, ".valid_from"),
    ({"valid_from": MONDAY, "valid_to": TUESDAY, "days_of_week": ["wed"]}, ".valid_to"),
    ({"valid_from": MONDAY, "valid_to": TUESDAY, "days_of_week": ["mon"], "id": ""}, ".id"),
    (
        {"valid_from": MONDAY, "valid_to": MONDAY.replace(hour=1), "times_of_day": [{"start": DAWN, "end": NOON}]},
        ".valid_to",
    ),
    ({"days_of_week": ["mon", "mon"]}, ".days_of_week[1]"),
    ({"times_of_day": [{"start": NOON, "end": DAWN}, {"start": NOON, "end": NOON}]}, ".times_of_day[1].end"),
    ({"times_of_day": [{"start": NOON.replace(tzinfo=UTC), "end": DAWN}]}, ".times_of_day[0].start"),
    ({"times_of_day": [{"start": NOON, "end": DAWN}] * 25}, ".times_of_day"),
]  # fmt: skip


BROKEN_PROGRAMS: list[tuple[dict[str, Any], str]] = [
    ({"id": "-"}, "id"),
    ({"version": "two words"}, "version"),
    ({"currency": "EURO"}, "currency"),
    ({"minor_units": 5}, "minor_units"),
    ({"minor_units": -1}, "minor_units"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": ""}, "time_zone"),
    ({"time_zone": "/etc/passwd"}, "time_zone"),
    ({"points_per_unit": Decimal("1000.000001")}, "points_per_unit"),
    ({"points_per_unit": Decimal("0.0000001")}, "points_per_unit"),
    ({"minimum_spend": Decimal("-0.01")}, "minimum_spend"),
    ({"minimum_spend": Decimal(10) ** 10}, "minimum_spend"),
    ({"minimum_spend": Decimal("9999999999.5")}, "minimum_spend"),
    ({"tiers": [{"name": "Gold", "bonus_percent": 1001}], "promotions": []}, "tiers[0].bonus_percent"),
    ({"tiers": [{"name": "", "bonus_percent": 1}], "promotions": []}, "tiers[0].name"),
    (
        {"tiers": [{"name": "Gold", "bonus_percent": 1}, {"name": "GOLD", "bonus_percent": 2}], "promotions": []},
        "tiers[1].name",
    ),
    ({"exclusions": {"skus": ["A", "A"]}}, "exclusions.skus[1]"),
    ({"exclusions": {"categories": ["gift card"]}}, "exclusions.categories[0]"),
    ({"caps": {"points_per_transaction": 0}, "promotions": []}, "caps.points_per_transaction"),
    ({"caps": {"points_per_promotion": 2**63}}, "caps.points_per_promotion"),
    ({"caps": {"points_per_promotion": 700, "points_per_transaction": 600}}, "caps.points_per_promotion"),
    ({"caps": {"promotions_per_transaction": 0}}, "caps.promotions_per_transaction"),
    ({"redemption": {"points_per_unit": 0}}, "redemption.points_per_unit"),
    ({"redemption": {"points_per_unit": 1, "minimum_points": 0}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1, "step": 0}}, "redemption.step"),
    ({"redemption": {"points_per_unit": 1, "minimum_points": 15, "step": 10}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1000, "minimum_points": 9}}, "redemption.minimum_points"),
    ({"redemption": {"points_per_unit": 1, "largest_share_percent": 0}}, "redemption.largest_share_percent"),
    ({"redemption": {"points_per_unit": 1, "largest_share_percent": 101}}, "redemption.largest_share_percent"),
    ({"promotions": [{"id": f"p{number}", "name": "P", "multiplier": 1} for number in range(1001)]}, "promotions"),
]
"""Fields of a program; the path of the field at fault, which may not be the only one."""
