"""The counter where goods are given back: sales to return, and the calls that return them."""

from decimal import Decimal
from typing import Any, Final

from loyalty_core.domain.basket import BasketLine
from loyalty_core.domain.identifiers import ReturnId, SessionId
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.return_request import ReturnLine, ReturnRequest
from loyalty_core.domain.session_returns import find_return
from loyalty_core.ports.loyalty_host import CommitKind
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.unit.use_cases.shop import CALLER, Shop, calculate, finalize

LINES: Final = (
    BasketLine("COFFEE", Decimal(2), Decimal("25.00")),
    BasketLine("DIESEL", Decimal(10), Decimal("10.00")),
)
"""150.00 in two lines, a third and two thirds of it: 450 points for a Gold member."""


def give_back(
    session_id: SessionId, return_id: str = "R-1", request: ReturnRequest | None = None, **changes: Any
) -> ReturnGoods:
    """All that is left, unless `request` says less."""
    fields: dict[str, Any] = {"caller": CALLER, "request": request or ReturnRequest(), **changes}
    return ReturnGoods(session_id=session_id, return_id=ReturnId(return_id), **fields)


def lines(*entries: tuple[int, str]) -> ReturnRequest:
    """Line and quantity each."""
    return ReturnRequest(lines=tuple(ReturnLine(Decimal(quantity), line=line) for line, quantity in entries))


def amount(text: str) -> ReturnRequest:
    return ReturnRequest(amount=Decimal(text))


async def sold(shop: Shop, *, redeem: int = 0, rewards: bool = True) -> SessionId:
    """A sale of `LINES` that the host has booked."""
    session_id = await finalizing(shop, redeem=redeem, rewards=rewards)
    assert (await shop.session(session_id)).receipt is not None
    return session_id


async def finalizing(shop: Shop, *, redeem: int = 0, rewards: bool = True) -> SessionId:
    """A sale of `LINES` whose finalize was answered, whatever the host did."""
    session_id = await shop.opened()
    await shop.calculate(calculate(session_id, lines=LINES, redeem_points=redeem))
    await shop.finalize(finalize(session_id, lines=LINES, redeem_points=redeem, apply_rewards=rewards))
    return session_id


async def stored_return(shop: Shop, session_id: SessionId, return_id: str = "R-1") -> PurchaseReturn:
    """The return as stored; it has to be there."""
    goods = find_return(await shop.session(session_id), ReturnId(return_id))
    assert goods is not None
    return goods


def moved(shop: Shop) -> tuple[int, int]:
    """Points reversed and restored, by the host's ledger."""
    totals = {CommitKind.REVERSAL: 0, CommitKind.RESTORATION: 0}
    for entry in shop.host.ledger:
        if entry.commit.kind in totals:
            totals[entry.commit.kind] += entry.commit.points
    return -totals[CommitKind.REVERSAL], totals[CommitKind.RESTORATION]
