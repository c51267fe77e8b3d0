"""One program beside another, on sales that were made: what each gives, and where they differ."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from loyalty_core.domain.basket import Basket, InvalidBasket
from loyalty_core.domain.identifiers import CustomerId, SessionId, format_session_id
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.redemption import RedemptionRefused
from loyalty_core.domain.rewards import Quote, calculate

KeyT = TypeVar("KeyT")

BASE: Final = ("base", "")
TIER_BONUS: Final = ("tier bonus", "")
PROMOTION: Final = "promotion"
_ANYBODY: Final = CustomerId("")
_EXAMPLES: Final = 5
"""Sessions that are named for each way in which some do not fit."""


@dataclass(slots=True)
class Tally:
    """Sales, and the points that both programs give for them."""

    sales: int = 0
    changed: int = 0
    old: int = 0
    new: int = 0

    @property
    def difference(self) -> int:
        """Points that the new program gives more, or (below 0) less."""
        return self.new - self.old

    def count(self, old: int, new: int) -> None:
        """One more sale."""
        self.sales += 1
        self.changed += old != new
        self.old += old
        self.new += new

    def add(self, other: "Tally") -> None:
        """All that `other` has counted."""
        self.sales += other.sales
        self.changed += other.changed
        self.old += other.old
        self.new += other.new


class Misfit(NamedTuple):
    """Why a sale cannot be calculated under one of the programs."""

    program: str
    """``old`` or ``new``."""
    reason: str


@dataclass(slots=True)
class Misfits:
    """Sales that do not fit for the same reason."""

    sales: int = 0
    points: int = 0
    """What they earn under the program that they do fit; 0 where they fit neither."""
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Misfits") -> None:
        """All that `other` has counted."""
        self.sales += other.sales
        self.points += other.points
        self.examples = sorted({*self.examples, *other.examples})[:_EXAMPLES]


@dataclass(slots=True)
class Comparison:
    """What two programs give for the same sales. Parts of it can be made apart and added up in any order."""

    total: Tally = field(default_factory=Tally)
    gained: int = 0
    """Sales that earn more under the new program."""
    lost: int = 0
    quoted_by_old: int = 0
    """Sales whose own quote was the old program's."""
    returned: int = 0
    """Sales of which some was given back; they are calculated as they were sold."""
    unfit: int = 0
    """Sales that cannot be calculated under both; `misfits` says why. They are in no other figure."""
    unrewarded: int = 0
    """Sales that ended without rewards. They earn nothing under any program, and are in no other figure."""
    tiers: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By tier; the empty name where none was known."""
    sources: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By where points come from: `BASE`, `TIER_BONUS`, or `PROMOTION` and its id. Only sales that have some."""
    days: defaultdict[date, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By day in the time zone of the new program."""
    misfits: defaultdict[Misfit, Misfits] = field(default_factory=lambda: defaultdict(Misfits))

    def add(self, other: "Comparison") -> None:
        """All that `other` has counted."""
        self.total.add(other.total)
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, int):
                setattr(self, each.name, mine + theirs)
            elif isinstance(mine, dict):
                for key, part in theirs.items():
                    mine[key].add(part)


class Comparer:
    """Calculates sales under both programs."""

    def __init__(self, old: RewardProgram, new: RewardProgram) -> None:
        self._old = old
        self._new = new
        self._zone = ZoneInfo(new.time_zone)

    def compare(
        self, into: Comparison, session: SessionId, basket: Basket, tier: str | None, at: datetime
    ) -> bool:  # fmt: skip
        """One sale more in `into`, and whether it fits both programs; `at` decides which promotions are open."""
        member = Member(_ANYBODY, tier)
        old, why_not_old = _quote(self._old, basket, member, at)
        new, why_not_new = _quote(self._new, basket, member, at)
        if old is None or new is None:
            fits = new if old is None else old
            points = 0 if fits is None else fits.earned_points
            into.unfit += 1
            for program, why_not in (("old", why_not_old), ("new", why_not_new)):
                if why_not:
                    into.misfits[Misfit(program, why_not)].add(Misfits(1, points, [format_session_id(session)]))
            return False
        before, after = old.earned_points, new.earned_points
        for tally in (into.total, into.tiers[tier or ""], into.days[at.astimezone(self._zone).date()]):
            tally.count(before, after)
        into.gained += after > before
        into.lost += after < before
        given, gives = _by_source(old), _by_source(new)
        for source in {**given, **gives}:
            into.sources[source].count(given.get(source, 0), gives.get(source, 0))
        return True


def _quote(program: RewardProgram, basket: Basket, member: Member, at: datetime) -> tuple[Quote | None, str]:
    """The quote, or why there is none."""
    try:
        return calculate(program, basket, member, at), ""
    except RedemptionRefused as refused:
        return None, f"redemption: {refused.rule.value.replace('_', ' ')}"
    except InvalidBasket:
        return None, f"amount has more decimals than {program.currency} has here"


def _by_source(quote: Quote) -> Mapping[tuple[str, str], int]:
    points = {BASE: quote.base_points, TIER_BONUS: quote.tier_bonus}
    points |= {(PROMOTION, award.id): award.points for award in quote.promotions}
    return {source: given for source, given in points.items() if given}
