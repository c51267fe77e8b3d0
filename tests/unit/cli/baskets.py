"""Sales for the commands: the program, what is typed, and the basket in the file."""

from typing import Any, Final, NamedTuple


class Case(NamedTuple):
    """One call of `loyalty quote`."""

    program: str
    options: tuple[str, ...]
    basket: dict[str, Any]


def item(sku: str, qty: float, price: float | None = None, category: str | None = None) -> dict[str, Any]:
    given = {"sku": sku, "qty": qty, "unitPrice": price, "category": category}
    return {name: value for name, value in given.items() if value is not None}


_PUMP: Final = item("FUEL-87", 10.459, 3.199, "fuel_regular")

CASES: Final = {
    "pump-and-shop": Case(
        "convenience-store",
        ("--tier", "Fleet", "--at", "2026-11-23T23:30:00-06:00", "--redeem", "200"),
        {
            "transactionAmount": 57.40,
            "items": [
                _PUMP,
                item("HOT-DOG", 2, 2.49, "roller_grill"),
                item("COLA-05", 1, 1.99, "drinks"),
                item("MARLBORO", 1, category="tobacco"),
            ],
        },
    ),
    "midweek-groceries": Case(
        "grocery",
        ("--tier", "Silver", "--at", "2026-11-25T10:00:00Z"),
        {
            "transactionAmount": 131.20,
            "items": [
                item("APPLES", 1.5, 2.40, "fruit"),
                item("OWN-TEA", 2, 1.80),
                item("CARRIER-BAG", 1, 0.30),
                item("ROAST", 1, category="meat"),
            ],
        },
    ),
    "capped": Case(
        "grocery",
        ("--tier", "Gold", "--channel", "web", "--at", "2026-07-01T10:00:00Z"),
        {
            "transactionAmount": 4200.00,
            "items": [item("GRILL", 1, 2100, "barbecue"), item("MELONS", 1, 2100, "fruit")],
        },
    ),
    "below-the-minimum": Case(
        "grocery", ("--tier", "Diamond", "--at", "2026-11-25T10:00:00Z"), {"transactionAmount": 1.99}
    ),
    "exclusive": Case(
        "coffee-bar",
        ("--at", "2026-02-06T01:30:00+01:00"),
        {"transactionAmount": 18.00, "items": [item("OWN-CUP", 3, 4.00, "coffee"), item("BEANS", 1, 6.00, "beans")]},
    ),
    "nothing-sold": Case("built-in", ("--at", "2026-11-25T10:00:00Z"), {"transactionAmount": 0}),
}
