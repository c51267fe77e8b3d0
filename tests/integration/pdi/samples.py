"""One sale, as the tests of the client make it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from loyalty_core.domain.basket import Basket, BasketLine
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, ReceiptId, ReturnId, TransactionId
from loyalty_core.ports.loyalty_host import FinalizeOrder, LoyaltyHost, ReturnOrder

CHANNEL: Final = ChannelId("POS-001")
TRANSACTION: Final = TransactionId("TXN-67890")
CUSTOMER: Final = CustomerId("CUST-12345")
SESSION: Final = HostSessionId("sess_abc123")
BASKET: Final = Basket(amount=Decimal("150.00"), lines=(BasketLine("SKU-001", Decimal(2)),), channel=CHANNEL)

IDENTIFY_REPLY: Final = (
    b'{"sessionId":"sess_abc123","status":"active","customerName":"John Doe","currentPoints":5000,"tier":"Gold"}'
)
CALCULATE_REPLY: Final = (
    b'{"earnedPoints":450,"multiplier":3.0,"bonusPoints":150,"breakdown":{"basePoints":300,"tierBonus":150}}'
)
FINALIZE_REPLY: Final = (
    b'{"sessionId":"sess_abc123","status":"finalized","earnedPoints":450,"newBalance":5450,"receiptId":"RCP-2025-001"}'
)
RETURN_REPLY: Final = (
    b'{"sessionId":"sess_abc123","returnId":"RET-1","pointsReversed":450,"pointsRestored":0,"newBalance":5000}'
)
STATUS_REPLY: Final = (
    b'{"sessionId":"sess_abc123","status":"finalized","earnedPoints":450,'
    b'"commits":[{"key":"sess_1:1","kind":"accrual","points":450,"at":"2025-03-16T14:30:45.123Z"}]}'
)


def order(
    session: HostSessionId = SESSION,
    *,
    key: str = "sess_1:1",
    transaction: TransactionId = TRANSACTION,
    basket: Basket = BASKET,
    earned: int = 450,
    receipt: str = "RCP-2025-001",
) -> FinalizeOrder:
    """A finalize of the sample sale, or one that differs from it."""
    return FinalizeOrder(
        key=key,
        host_session=session,
        transaction=transaction,
        basket=basket,
        earned_points=earned,
        program_version="2025.1",
        receipt=ReceiptId(receipt),
    )


def giving_back(session: HostSessionId = SESSION) -> ReturnOrder:
    """A return of the whole sample sale."""
    return ReturnOrder(
        key="sess_1:r1",
        host_session=session,
        return_id=ReturnId("RET-1"),
        points_reversed=450,
        points_restored=0,
    )


CALLS: Final[dict[str, Callable[[LoyaltyHost, float], Awaitable[object]]]] = {
    "identify": lambda host, within: host.identify(CHANNEL, TRANSACTION, CUSTOMER, within=within),
    "calculateRewards": lambda host, within: host.calculate(SESSION, BASKET, within=within),
    "finalize": lambda host, within: host.finalize(order(), within=within),
    "return": lambda host, within: host.send_return(giving_back(), within=within),
    "getSessionStatus": lambda host, within: host.report(SESSION, within=within),
}
"""Every call of the port, by the name PDI gives it, for the sample sale."""

REPLIES: Final = {
    "identify": IDENTIFY_REPLY,
    "calculateRewards": CALCULATE_REPLY,
    "finalize": FINALIZE_REPLY,
    "return": RETURN_REPLY,
    "getSessionStatus": STATUS_REPLY,
}
"""What PDI answers to it."""
