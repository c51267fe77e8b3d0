"""The parts of a reward program, as plain immutable data. What each may hold is judged by `RewardProgram`."""

from datetime import datetime, time
from decimal import Decimal
from enum import StrEnum

import msgspec


class Stacking(StrEnum):
    """What happens where several promotions match one line."""

    BEST = "best"
    """The line counts for the one that yields most on it. Rewards per basket do not compete for lines."""
    SUM = "sum"
    """The line counts for each of them."""


class Per(StrEnum):
    """What fixed points are given for."""

    UNIT = "unit"
    """Each unit of the matching lines: 3.459 gallons count 3.459 times."""
    LINE = "line"
    """Each matching line."""
    BASKET = "basket"
    """The basket, once."""


class Day(StrEnum):
    """A day of the week, as programs write it."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the parts of a program share: immutable, and strict about what they are read from."""


class Tier(Part, frozen=True):
    """A membership level."""

    name: str
    bonus_percent: Decimal
    """Of the base points: 50 gives half as many again. 0 to 1000, at most 3 decimals."""


class Exclusions(Part, frozen=True):
    """What never earns, nor counts towards any minimum."""

    skus: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class Caps(Part, frozen=True):
    """Upper limits, each None where there is none."""

    points_per_transaction: int | None = None
    points_per_promotion: int | None = None
    promotions_per_transaction: int | None = None
    """How many promotions may pay out on one basket; the highest-yielding are kept."""


class RedemptionRules(Part, frozen=True):
    """How points pay for a basket."""

    points_per_unit: int
    """Points for one currency unit of discount."""
    minimum_points: int = 1
    step: int = 1
    """Points are spent in multiples of this."""
    largest_share_percent: Decimal = Decimal(100)
    """Of the gross amount that points may pay. Above 0, at most 100, at most 3 decimals."""


class TimeWindow(Part, frozen=True):
    """A part of the day in the program's time zone. One that ends before it starts crosses midnight.

    It then belongs to the day on which it starts: Friday 22:00 to 02:00 ends on Saturday, and 00:00 as the end is
    midnight.
    """

    start: time
    """Inclusive."""
    end: time
    """Exclusive."""


class Promotion(Part, frozen=True):
    """A reward for the lines that match, under conditions that must all hold. Conditions left out always hold.

    The reward is either `multiplier` or `points` with `per`.
    """

    id: str
    name: str
    multiplier: Decimal | None = None
    """Total: 2 means double points, one extra base. 1 to 1000, at most 3 decimals."""
    points: int | None = None
    """Fixed points, 1 to 10⁶."""
    per: Per | None = None
    exclusive: bool = False
    """Pays out alone or not at all, whichever is worth more to the customer."""
    skus: tuple[str, ...] = ()
    """A line matches if its SKU is among these and its category among `categories`, where given."""
    categories: tuple[str, ...] = ()
    minimum_quantity: Decimal = Decimal(0)
    """Units of all matching eligible lines together."""
    minimum_spend: Decimal = Decimal(0)
    """Currency units spent on all matching eligible lines together, after any redemption."""
    tiers: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    valid_from: datetime | None = None
    """Inclusive, without an offset: local to the program's time zone."""
    valid_to: datetime | None = None
    """Exclusive, without an offset: local to the program's time zone."""
    days_of_week: tuple[Day, ...] = ()
    times_of_day: tuple[TimeWindow, ...] = ()
    """Any one of these windows."""
