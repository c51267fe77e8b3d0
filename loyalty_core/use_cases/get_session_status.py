import msgspec

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.purchase_return import PurchaseReturn
from loyalty_core.domain.session import EXPIRED, Session, SessionStatus
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.access import load_for
from loyalty_core.use_cases.answers import DeliveryProgress, ReturnProgress, StatusAnswer
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.quote_answer import quote_answer
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.settlement import Settlement


class GetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Ask how a session stands."""

    caller: Caller
    session_id: SessionId


class GetSessionStatus:
    """Reports a session; while its outcome is unknown the host is asked, and what it has booked is settled."""

    def __init__(self, ports: Ports, *, pricing: Pricing, settlement: Settlement, budgets: Budgets) -> None:
        self._store = ports.store
        self._host = ports.host
        self._pricing = pricing
        self._settlement = settlement
        self._budgets = budgets

    async def __call__(self, query: GetStatus) -> StatusAnswer:
        """The session as it stands, and how far its settlement has come.

        Raises:
            SessionNotFound, Overloaded, StorageUnavailable: see there.
        """
        loaded = await load_for(self._store, query.caller, query.session_id)
        session = loaded.session
        if self._is_unknown(loaded):
            session = await self._settlement.settle_if_booked(loaded, SALE, within=self._budgets.status)
        return self._answer(session, has_expired=session.has_expired(loaded.now))

    def _is_unknown(self, loaded: Loaded) -> bool:
        """Whether a send is unanswered and nobody is at work on it, so that asking the host can tell more."""
        delivery = SALE.delivery(loaded.session)
        return (
            delivery is not None
            and delivery.unanswered > 0
            and not delivery.is_claimed(loaded.now)
            and self._host.unavailable_for() == 0
        )

    def _answer(self, session: Session, *, has_expired: bool) -> StatusAnswer:
        """`has_expired`: its time ran out, and the sweep that writes so has not come by yet."""
        intent, delivery, receipt = session.intent, session.delivery, session.receipt
        quote = session.quote if intent is None else intent.quote
        return StatusAnswer(
            session_id=format_session_id(session.id),
            status=SessionStatus.FAILED if has_expired else session.status,
            version=session.version,
            customer_id=session.customer,
            channel_id=session.channel,
            transaction_id=session.transaction,
            tier=session.tier,
            earned_points=session.earned_points,
            redeemed_points=session.redeemed_points,
            points_reversed=session.points_reversed,
            points_restored=session.points_restored,
            new_balance=None if receipt is None else receipt.new_balance,
            receipt_id=None if intent is None else intent.receipt,
            pdi_session_id=session.host_session,
            failure=EXPIRED if has_expired else session.failure,
            provisional=receipt is None and (session.host_session is None or (quote is not None and quote.provisional)),
            created_at=session.created_at,
            expires_at=session.expires_at,
            occurred_at=session.occurred_at,
            finalized_at=session.finalized_at,
            metadata=session.metadata,
            quote=None if quote is None else quote_answer(quote, self._pricing, session.version),
            delivery=None if delivery is None else _progress(delivery),
            returns=tuple(_return_progress(goods) for goods in session.returns),
        )


def _progress(delivery: Delivery) -> DeliveryProgress:
    return DeliveryProgress(
        queued=delivery.next_attempt_at is not None,
        attempts=delivery.attempts,
        next_attempt_at=delivery.next_attempt_at,
        last_error=delivery.last_error,
        parked_at=delivery.parked_at,
    )


def _return_progress(goods: PurchaseReturn) -> ReturnProgress:
    return ReturnProgress(
        return_id=goods.id,
        status=goods.status,
        points_reversed=None if goods.figures is None else goods.figures.points_reversed,
        points_restored=None if goods.figures is None else goods.figures.points_restored,
        created_at=goods.created_at,
        settled_at=goods.settled_at,
        failure=goods.failure,
        delivery=_progress(goods.delivery),
    )
