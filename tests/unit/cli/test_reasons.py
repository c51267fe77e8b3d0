"""The words for what became of a promotion, and for its conditions."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.explanation_outcomes import Outcome, PromotionExplanation
from loyalty_core.domain.identifiers import ChannelId, CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.program_parts import Caps, Day, Per, Promotion, TimeWindow
from loyalty_web.authoring.reasons import reason
from loyalty_web.authoring.wording import conditions, reward

_OFFER: Final = Promotion(
    "offer",
    "Offer",
    points=1,
    per=Per.LINE,
    categories=("fresh",),
    minimum_quantity=Decimal(1),
    minimum_spend=Decimal("2.505"),
    tiers=("Gold",),
    channels=("web",),
    days_of_week=(Day.SUN,),
)
_PROGRAM: Final = msgspec.structs.replace(
    built_in_program(),
    promotions=(_OFFER,),
    minimum_spend=Decimal(3),
    caps=Caps(points_per_transaction=5000, points_per_promotion=10, promotions_per_transaction=1),
)
_BASKET: Final = Basket(amount=Decimal(1), lines=(), channel=ChannelId("POS-1"))
_NOBODY: Final = Member(CustomerId("C"))

_TOLD: Final = {
    Outcome.PAID: "1 point per line: of category fresh; 1 unit or more and 2.505 USD or more; for tier Gold; "
    "at channel web; on Sun",
    Outcome.OTHER_TIER: "only for Gold; the customer's tier is not known",
    Outcome.OTHER_CHANNEL: "only at web; this was at POS-1",
    Outcome.NOT_NOW: "not open at that time: on Sun",
    Outcome.NO_LINE: "no line that earns is of category fresh",
    Outcome.PROGRAM_MINIMUM: "nothing is earned below 3.00 USD",
    Outcome.MINIMUM: "takes 1 unit or more and 2.505 USD or more of category fresh",
    Outcome.EXCLUSIVE: "cannot be combined with what is worth more",
    Outcome.OUTBID: "on every line it is for, another promotion gives more",
    Outcome.TOO_SMALL: "comes to less than a whole point",
    Outcome.TOO_MANY: "at most 1 promotion may pay on one transaction, and others give more",
    Outcome.TRANSACTION_CAP: "the cap of 5,000 points on the transaction left nothing for it",
}


def told(outcome: Outcome, program: RewardProgram = _PROGRAM, *, promotion_cap: int = 0, cut: int = 0) -> str:
    explained = PromotionExplanation(
        "offer", "Offer", outcome, taken_by_promotion_cap=promotion_cap, taken_by_transaction_cap=cut
    )
    return reason(explained, program.promotions[0], program, _BASKET, _NOBODY)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_words(outcome: Outcome) -> None:
    """None is missing, and each says which rule it was."""
    assert _TOLD[outcome] == told(outcome)


def test_what_caps_took() -> None:
    """Told beside what was paid; where nothing is left, the outcome says it."""
    took = "the cap of 10 points on a promotion took 1,500 more"
    assert told(Outcome.PAID, promotion_cap=1500, cut=7).endswith(
        f"; on Sun; {took}; the cap on the transaction took 7 of it"
    )
    assert f"{_TOLD[Outcome.TRANSACTION_CAP]}; {took}" == told(Outcome.TRANSACTION_CAP, promotion_cap=1500, cut=7)


def test_an_offer_for_everything() -> None:
    """Nothing of a condition that is none."""
    plain = Promotion("plain", "Plain", multiplier=Decimal("1.50"))
    program = msgspec.structs.replace(_PROGRAM, promotions=(plain,))
    assert ("1.5 times the points", "always") == (reward(plain), conditions(plain, program))
    assert "no line earns" == told(Outcome.NO_LINE, program)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"skus": ("A", "B"), "categories": ("fresh", "dry")}, "of SKUs A, B and categories fresh, dry"),
        ({"minimum_quantity": Decimal("2.50")}, "2.5 units or more"),
        ({"days_of_week": tuple(Day)}, "on Mon to Sun"),
        ({"days_of_week": (Day.FRI, Day.MON, Day.TUE, Day.WED)}, "on Mon to Wed, Fri"),
        ({"days_of_week": (Day.MON, Day.TUE)}, "on Mon, Tue"),
        (
            {"times_of_day": (TimeWindow(time(22), time(2)), TimeWindow(time(6, 30), time(7)))},
            "from 22:00 to 02:00 or from 06:30 to 07:00",
        ),
        (
            {"valid_from": datetime(2026, 3, 1), "valid_to": datetime(2026, 4, 1, 18)},  # noqa: DTZ001 - local to the program's zone
            "from 2026-03-01; before 2026-04-01 18:00",
        ),
    ],
)
def test_conditions(condition: dict[str, Any], words: str) -> None:
    """Each condition as a person would say it."""
    promotion = Promotion("offer", "Offer", multiplier=Decimal(2), **condition)
    assert words == conditions(promotion, _PROGRAM)
