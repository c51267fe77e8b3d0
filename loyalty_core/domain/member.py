"""The customer as a reward program sees one."""

from typing import Any

import msgspec

from loyalty_core.domain.identifiers import CustomerId


class Member(msgspec.Struct, frozen=True):
    """A loyalty customer, as far as is known. Only `tier` influences points.

    `customer_id` and `name` are personal data: the repr shows neither, so that they reach no log by accident.
    """

    customer_id: CustomerId
    tier: str | None = None
    """The host's word for it, case and all. None: not known; earns the base rate."""
    name: str | None = None
    points: int | None = None
    """Balance at the time of reading; None where the host could not be asked."""

    def __repr__(self) -> str:
        return f"Member(tier={self.tier!r}, points={self.points!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("tier", self.tier), ("points", self.points)]
