"""The HTTP floor: bare Litestar handlers that decode the request bodies of the service and encode its answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from litestar import Litestar, get, post

from loyalty_core.domain.identifiers import ReceiptId
from loyalty_core.domain.session import SessionStatus
from loyalty_core.use_cases.answers import Breakdown, FinalizeAnswer, IdentifyAnswer, LineShare, QuoteAnswer
from tests.benchmarks.floors.bodies import CalculateBody, FinalizeBody, IdentifyBody

_SESSION: Final = "sess_01a2062c3c6275e4899a1488b459bc24"


@post("/identify", status_code=201)
async def identify(data: IdentifyBody) -> IdentifyAnswer:
    """As many fields as the service answers."""
    return IdentifyAnswer(
        session_id=_SESSION,
        status=SessionStatus.ACTIVE,
        customer_name=data.customer_id,
        current_points=5000,
        tier="Gold",
        expires_at=datetime.now(UTC) + timedelta(hours=24),
        version=1,
        provisional=False,
    )


@post("/calculateRewards", status_code=200)
async def calculate(data: CalculateBody) -> QuoteAnswer:
    """A quote with one share for each line."""
    return QuoteAnswer(
        earned_points=450,
        multiplier=Decimal("3.0"),
        bonus_points=150,
        breakdown=Breakdown(base_points=300, tier_bonus=150, promotions=()),
        quote_id="q_01a2062c3c7c778f9576fe72081a232b",
        program_version="1",
        provisional=False,
        version=2,
        lines=tuple(
            LineShare(
                line=number,
                sku=item.sku,
                spend=item.unit_price,
                discount=Decimal(0),
                exclusion=None,
                earned_points=225,
                base_points=150,
                tier_bonus=75,
                promotions=(),
                capped_points=0,
            )
            for number, item in enumerate(data.items)
        ),
        redemption=None,
    )


@post("/finalize", status_code=200)
async def finalize(data: FinalizeBody) -> FinalizeAnswer:
    """What was booked."""
    return FinalizeAnswer(
        session_id=data.session_id,
        status=SessionStatus.FINALIZED,
        earned_points=450,
        new_balance=5450,
        receipt_id=ReceiptId("RCP-2026-001"),
        provisional=False,
    )


@get("/getSessionStatus")
async def status() -> IdentifyAnswer:
    """A status is somewhat larger; what it costs is not in its encoding."""
    return IdentifyAnswer(
        session_id=_SESSION,
        status=SessionStatus.FINALIZED,
        customer_name=None,
        current_points=5000,
        tier="Gold",
        expires_at=datetime.now(UTC),
        version=1,
        provisional=False,
    )


def application() -> Litestar:
    """The application of one process."""
    return Litestar([identify, calculate, finalize, status], openapi_config=None, logging_config=None)
