import itertools
from collections.abc import Callable
from typing import Final

import msgspec

from loyalty_core.domain.basket import Basket
from loyalty_core.domain.identifiers import ChannelId, CustomerId, HostSessionId, ReturnId, TransactionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.returns import ReturnFigures
from loyalty_core.domain.session import HostReceipt
from loyalty_core.domain.session_quote import HostQuote
from loyalty_core.ports.loyalty_host import (
    CommitKind,
    FinalizeOrder,
    HostCommit,
    HostIdentification,
    HostRejection,
    HostSessionReport,
    HostSessionUnknown,
    ReturnOrder,
)

STRANGER: Final = CustomerId("STRANGER")
"""A customer that the host has never heard of."""


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """One sale, or one return, in the host's ledger. What a return takes and gives is negative."""

    key: str
    returned: ReturnId | None = None
    handle: HostSessionId
    channel: ChannelId
    transaction: TransactionId
    points: int
    redeemed: int
    balance: int


class SimulatedPdi:
    """The one loyalty host of a history, with books of its own. It never fails: what fails is the way to it.

    It knows a repeated booking by its key and by nothing else, so that a second key books a second time.
    """

    def __init__(self, note: Callable[..., None]) -> None:
        self.ledger: Final[list[Booking]] = []
        self.blocked: Final[set[CustomerId]] = set()
        """Customers whose sales it refuses, those that it has booked before included."""
        self._note = note
        self._handles = itertools.count(1)
        self._sessions: dict[HostSessionId, tuple[ChannelId, TransactionId, CustomerId]] = {}
        self._open: dict[tuple[ChannelId, TransactionId, CustomerId], HostSessionId] = {}
        self._booked: dict[str, Booking] = {}
        self._balances: dict[CustomerId, int] = {}

    def identify(self, channel: ChannelId, transaction: TransactionId, customer: CustomerId) -> HostIdentification:
        """Open the session of a sale, or find it again."""
        if customer == STRANGER:
            raise HostRejection("invalid_customer", "no such customer")
        handle = self._open.get((channel, transaction, customer))
        if handle is None:
            handle = HostSessionId(f"pdi-{next(self._handles)}")
            self._open[channel, transaction, customer] = handle
            self._sessions[handle] = (channel, transaction, customer)
        tier = ("Bronze", "Silver", "Gold", "Platinum")[len(customer) % 4]
        return HostIdentification(
            session=handle, member=Member(customer, tier, f"Name of {customer}", self._balance(customer))
        )

    def calculate(self, handle: HostSessionId, basket: Basket, *, off_by: int) -> HostQuote:
        """Its own figures, `off_by` points beside a plain rate."""
        *_, customer = self._known(handle)
        if basket.redeem_points > self._balance(customer):
            raise HostRejection("insufficient_points", "not that many", {"balance": self._balance(customer)})
        points = int(basket.amount) * 2 + off_by
        return HostQuote(
            earned_points=points,
            bonus_points=0,
            base_points=points,
            tier_bonus=0,
            multiplier=basket.amount,
            redemption_confirmed=basket.redeem_points > 0,
        )

    def finalize(self, order: FinalizeOrder, *, off_by: int) -> HostReceipt:
        """Book a sale once per key."""
        customer = self._served(order.host_session)
        booking = self._booked.get(order.key)
        if booking is None:
            if order.basket.redeem_points > self._balance(customer):
                raise HostRejection("insufficient_points", "not that many")
            booking = self._book(order, None, order.earned_points + off_by, order.basket.redeem_points)
        return HostReceipt(earned_points=booking.points, new_balance=booking.balance)

    def send_return(self, order: ReturnOrder, *, off_by: int) -> ReturnFigures:
        """Book a return once per key; never more points than it says."""
        self._served(order.host_session)
        booking = self._booked.get(order.key)
        if booking is None:
            taken = max(0, order.points_reversed - off_by)
            booking = self._book(order, order.return_id, -taken, -order.points_restored)
        return ReturnFigures(points_reversed=-booking.points, points_restored=-booking.redeemed)

    def _book(
        self, order: FinalizeOrder | ReturnOrder, returned: ReturnId | None, points: int, redeemed: int
    ) -> Booking:
        channel, transaction, customer = self._known(order.host_session)
        self._balances[customer] = self._balance(customer) + points - redeemed
        booking = Booking(
            key=order.key,
            returned=returned,
            handle=order.host_session,
            channel=channel,
            transaction=transaction,
            points=points,
            redeemed=redeemed,
            balance=self._balance(customer),
        )
        self._booked[order.key] = booking
        self.ledger.append(booking)
        self._note("pdi", "books %s points for %s under %s", points, transaction, order.key[-12:])
        return booking

    def report(self, handle: HostSessionId) -> HostSessionReport:
        """What it has booked for the sale of a session so far, under this handle or one it has forgotten since."""
        channel, transaction, _ = self._known(handle)
        booked = [entry for entry in self.ledger if (entry.channel, entry.transaction) == (channel, transaction)]
        commits = []
        for entry in booked:
            gave, spent = (
                (CommitKind.ACCRUAL, CommitKind.REDEMPTION)
                if entry.returned is None
                else (CommitKind.REVERSAL, CommitKind.RESTORATION)
            )
            commits.append(HostCommit(key=entry.key, kind=gave, points=entry.points))
            if entry.redeemed:
                commits.append(HostCommit(key=entry.key, kind=spent, points=-entry.redeemed))
        return HostSessionReport(
            status="finalized" if booked else "open",
            earned_points=sum(entry.points for entry in booked),
            commits=tuple(commits),
        )

    def forget(self, handle: HostSessionId) -> None:
        """Lose a session; its sale, if booked, stays booked."""
        sale = self._sessions.pop(handle, None)
        if sale is not None:
            del self._open[sale]

    def _served(self, handle: HostSessionId) -> CustomerId:
        """The customer of a session, unless their business is refused."""
        *_, customer = self._known(handle)
        if customer in self.blocked:
            raise HostRejection("customer_blocked", "no more of this")
        return customer

    def _known(self, handle: HostSessionId) -> tuple[ChannelId, TransactionId, CustomerId]:
        sale = self._sessions.get(handle)
        if sale is None:
            raise HostSessionUnknown("session_unknown")
        return sale

    def _balance(self, customer: CustomerId) -> int:
        return self._balances.get(customer, 1000)
