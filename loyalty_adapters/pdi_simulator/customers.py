"""PDI's customers: who exists, in which tier, with how many points."""

import re
from typing import Any, Final

from loyalty_adapters.pdi_simulator.messages import Rejection

TIERS: Final = ("Bronze", "Silver", "Gold", "Platinum")
_GENERATED: Final = re.compile(r"LOAD-(0|[1-9][0-9]{0,11})")


class Customer:
    """One account. `points` is the balance now, `opening` what it was before the first commit."""

    __slots__ = ("customer_id", "name", "opening", "points", "suspended", "tier")

    def __init__(self, customer_id: str, name: str, tier: str, points: int = 0, *, suspended: bool = False) -> None:
        self.customer_id = customer_id
        self.name = name
        self.tier = tier
        self.opening = points
        self.points = points
        self.suspended = suspended

    def as_json(self) -> dict[str, Any]:
        """The account as the control API lists it."""
        return {
            "customerId": self.customer_id,
            "name": self.name,
            "tier": self.tier,
            "points": self.points,
            "openingPoints": self.opening,
            "suspended": self.suspended,
        }


def seeded() -> dict[str, Customer]:
    """The customers every fresh simulator knows."""
    people = (
        Customer("CUST-12345", "John Doe", "Gold", 5000),
        Customer("CUST-BRONZE", "Berta Braun", "Bronze", 1200),
        Customer("CUST-SILVER", "Silvia Sterling", "Silver", 2500),
        Customer("CUST-PLATINUM", "Pat Plata", "Platinum", 100_000),
        Customer("CUST-POOR", "Penny Little", "Bronze", 3),
        Customer("CUST-SUSPENDED", "Susan Spender", "Silver", 800, suspended=True),
    )
    return {person.customer_id: person for person in people}


class Customers:
    """All accounts: the seeded, those put by the control API, and as many `LOAD-<n>` as anybody asks for."""

    def __init__(self) -> None:
        self._known = seeded()

    def __iter__(self) -> "Any":
        return iter(self._known.values())

    def find(self, customer_id: str) -> Customer:
        """The account, whatever its state.

        `LOAD-<n>` (n in decimal, no leading zero) always exists: 0 points, tier by n mod 4 (Bronze, Silver, Gold,
        Platinum).

        Raises:
            Rejection: 400 `invalid_customer`, PDI knows nobody by that id.
        """
        customer = self._known.get(customer_id)
        if customer is not None:
            return customer
        generated = _GENERATED.fullmatch(customer_id)
        if generated is None:
            raise Rejection(400, "invalid_customer", "PDI knows no such customer.", {"customerId": customer_id})
        number = int(generated[1])
        customer = Customer(customer_id, f"Load Customer {number}", TIERS[number % len(TIERS)])
        self._known[customer_id] = customer
        return customer

    def active(self, customer_id: str) -> Customer:
        """The account, if it may be used.

        Raises:
            Rejection: 400 `invalid_customer`; 422 `customer_suspended`.
        """
        customer = self.find(customer_id)
        if customer.suspended:
            raise Rejection(422, "customer_suspended", "This account is suspended.", {"customerId": customer_id})
        return customer

    def put(self, customer_id: str, name: str, tier: str, points: int, *, suspended: bool) -> None:
        """Creates the account or changes it in place; the balance becomes `points`."""
        customer = self._known.get(customer_id)
        if customer is None:
            self._known[customer_id] = Customer(customer_id, name, tier, points, suspended=suspended)
            return
        customer.opening += points - customer.points
        customer.name, customer.tier, customer.points, customer.suspended = name, tier, points, suspended
