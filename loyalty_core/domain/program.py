"""The reward program: everything that decides how many points a basket earns, as immutable data."""

import hashlib
from decimal import Decimal
from functools import cache, cached_property

import msgspec

from loyalty_core.domain.basket import MAX_AMOUNT, InvalidBasket
from loyalty_core.domain.money import UnfitNumber, scale
from loyalty_core.domain.program_document import canonical_json
from loyalty_core.domain.program_index import ProgramIndex
from loyalty_core.domain.program_mistakes import InvalidProgram
from loyalty_core.domain.program_parts import (
    Caps,
    Exclusions,
    Promotion,
    RedemptionRules,
    Stacking,
    Tier,
)
from loyalty_core.domain.program_rules import program_findings


class RewardProgram(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A loyalty program in one of its versions.

    Build one in code, or read one from TOML with `program_from_toml`. Its fields, and those of its parts, are the keys
    of the TOML file. A default is part of the meaning of every stored program, so none of them ever changes.

    Raises:
        InvalidProgram: it breaks a rule; the error lists every mistake.
    """

    id: str
    version: str
    """Names this content for people; `content_hash` names it for good."""
    currency: str
    """ISO 4217, e.g. ``USD``."""
    minor_units: int
    """Decimals of the currency, 0 to 4. Amounts that have more are refused."""
    time_zone: str
    """IANA name, e.g. ``America/Chicago``. Every window of every promotion is local to it."""
    points_per_unit: Decimal
    """Base rate: points for a whole currency unit of eligible spend. 0 to 1000, at most 6 decimals."""
    tiers: tuple[Tier, ...] = ()
    exclusions: Exclusions = Exclusions()
    minimum_spend: Decimal = Decimal(0)
    """A basket with less eligible spend earns nothing, fixed points included."""
    stacking: Stacking = Stacking.BEST
    promotions: tuple[Promotion, ...] = ()
    """At most 1,000. Their order decides ties."""
    caps: Caps = Caps()
    redemption: RedemptionRules | None = None
    """None: points are not taken as payment."""

    def __post_init__(self) -> None:
        mistakes = tuple(finding.mistake for finding in program_findings(self))
        if mistakes:
            raise InvalidProgram(mistakes)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the program's canonical content, in hexadecimal. Equal programs have equal hashes."""
        return hashlib.sha256(program_to_json(self)).hexdigest()

    @cached_property
    def index(self) -> ProgramIndex:
        """The program prepared for calculation: made at the first quote, kept for the rest."""
        return ProgramIndex(self)

    def check_amount(self, amount: Decimal) -> int:
        """`amount`, in currency units, as minor units.

        Raises:
            InvalidBasket: it breaks a bound of basket amounts, or has more decimals than the program's currency.
        """
        try:
            return scale(amount, self.minor_units, below=MAX_AMOUNT)
        except UnfitNumber as unfit:
            raise InvalidBasket(("amount",), f"{unfit} in {self.currency}") from None


def program_to_json(program: RewardProgram) -> bytes:
    """The canonical content of `program`: the bytes that `content_hash` is the hash of."""
    return canonical_json(program)


def program_from_json(content: bytes) -> RewardProgram:
    """The program whose content was stored, equal to the one that `program_to_json` was given.

    Raises:
        msgspec.DecodeError: `content` is not the canonical content of a program.
        InvalidProgram: it is, but the program breaks a rule.
    """
    return _DECODER.decode(content)


@cache
def built_in_program() -> RewardProgram:
    """The program of a service that was given none: 2 points a dollar, four tiers, no promotions."""
    return RewardProgram(
        id="built-in",
        version="1",
        currency="USD",
        minor_units=2,
        time_zone="UTC",
        points_per_unit=Decimal(2),
        tiers=(
            Tier("Bronze", Decimal(0)),
            Tier("Silver", Decimal(25)),
            Tier("Gold", Decimal(50)),
            Tier("Platinum", Decimal(100)),
        ),
        exclusions=Exclusions(categories=("tobacco", "lottery", "gift_card")),
        redemption=RedemptionRules(points_per_unit=100, minimum_points=100, step=100),
    )


_DECODER = msgspec.json.Decoder(RewardProgram)
