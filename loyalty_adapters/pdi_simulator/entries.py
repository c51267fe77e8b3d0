"""The rows of the books, kept small: a load test makes a million of each."""

from datetime import UTC, datetime
from typing import Any, Final

from loyalty_adapters.pdi_simulator.customers import Customer


class Kind:
    """What a commit did. Points are never negative; the kind says which way they went."""

    ACCRUAL: Final = "accrual"
    REDEMPTION: Final = "redemption"
    REVERSAL: Final = "reversal"
    RESTORATION: Final = "restoration"

    ALL: Final = (ACCRUAL, REDEMPTION, REVERSAL, RESTORATION)
    CREDITS: Final = (ACCRUAL, RESTORATION)


class Session:
    """PDI's handle for one customer at one channel in one transaction."""

    __slots__ = (
        "channel_id",
        "customer",
        "ended_early",
        "entries",
        "forgotten",
        "opened_at",
        "session_id",
        "transaction_id",
    )

    def __init__(
        self, session_id: str, channel_id: str, transaction_id: str, customer: Customer, opened_at: int
    ) -> None:
        self.session_id = session_id
        self.channel_id = channel_id
        self.transaction_id = transaction_id
        self.customer = customer
        self.opened_at = opened_at
        self.entries: tuple[Entry, ...] = ()
        self.forgotten = False
        self.ended_early = False

    def expired(self, now: int, ttl: int) -> bool:
        """Past its life (milliseconds), with nothing booked: what is booked never expires."""
        return not self.entries and (self.ended_early or now - self.opened_at >= ttl)

    def total(self, kind: str) -> int:
        """The points booked under one kind."""
        return sum(entry.points for entry in self.entries if entry.kind == kind)


class Entry:
    """One commit. `at` is milliseconds since the epoch; `number` is its place in the books."""

    __slots__ = ("at", "key", "kind", "number", "points", "session")

    def __init__(self, number: int, session: Session, kind: str, points: int, key: str, at: int) -> None:
        self.number = number
        self.session = session
        self.kind = kind
        self.points = points
        self.key = key
        self.at = at

    @property
    def signed(self) -> int:
        """What the commit did to the balance."""
        return self.points if self.kind in Kind.CREDITS else -self.points

    def as_json(self) -> dict[str, Any]:
        """The commit as the control API lists it."""
        session = self.session
        return {
            "number": self.number,
            "transactionId": session.transaction_id,
            "channelId": session.channel_id,
            "customerId": session.customer.customer_id,
            "kind": self.kind,
            "points": self.points,
            "idempotencyKey": self.key,
            "pdiSessionId": session.session_id,
            "at": instant(self.at),
        }


class Answer:
    """The answer of record under one key: `points` and `restored` by endpoint, `reference` a receipt or a return."""

    __slots__ = ("balance", "body_print", "endpoint", "points", "reference", "restored", "session")

    def __init__(
        self,
        endpoint: str,
        body_print: int,
        session: Session,
        points: int,
        restored: int,
        balance: int,
        reference: str,
    ) -> None:
        self.endpoint = endpoint
        self.body_print = body_print
        self.session = session
        self.points = points
        self.restored = restored
        self.balance = balance
        self.reference = reference


def instant(milliseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
