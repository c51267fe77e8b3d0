"""The state of PDI's books, changed by applying records and in no other way: a restart cannot come out different."""

import sys
from collections.abc import Sequence

from loyalty_adapters.pdi_simulator.customers import Customers
from loyalty_adapters.pdi_simulator.entries import Answer, Entry, Kind, Session
from loyalty_adapters.pdi_simulator.records import (
    CustomerPut,
    Finalized,
    Record,
    Returned,
    SessionDropped,
    SessionOpened,
    Tampered,
)


class Books:
    """Customers, sessions, commits and the answers of record under their idempotency keys."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Back to the seeded customers and nothing booked."""
        self.customers = Customers()
        self.sessions: dict[str, Session] = {}
        self.answers: dict[str, Answer] = {}
        self._by_transaction: dict[str, tuple[Session, ...]] = {}
        # By number less one; None where an entry was lost. A list, for a dictionary would weigh ten times as much.
        self._entries: list[Entry | None] = []

    @property
    def next_number(self) -> int:
        """The number the next commit gets."""
        return len(self._entries) + 1

    def entries(self) -> Sequence[Entry]:
        """Every commit, oldest first, as of now."""
        return [entry for entry in self._entries if entry is not None]

    def entry(self, number: int) -> Entry | None:
        """One commit by its number."""
        return self._entries[number - 1] if 0 < number < self.next_number else None

    def sessions_of(self, transaction_id: str) -> Sequence[Session]:
        """The sessions of one transaction, all channels and customers, forgotten ones included, oldest first."""
        return self._by_transaction.get(transaction_id, ())

    def entries_of(self, transaction_id: str) -> Sequence[Entry]:
        """The commits of one transaction, all channels, oldest first."""
        found = [entry for session in self.sessions_of(transaction_id) for entry in session.entries]
        return sorted(found, key=lambda entry: entry.number)

    def apply(self, record: Record) -> None:
        """Makes the record so; called once for each, now or at the next start."""
        match record:
            case SessionOpened():
                self._open(record)
            case Finalized():
                session = self.sessions[record.session_id]
                self._book(session, Kind.ACCRUAL, record.earned, record.key, record.at)
                if record.redeemed:
                    self._book(session, Kind.REDEMPTION, record.redeemed, record.key, record.at)
                self.answers[record.key] = Answer(
                    "finalize", record.body_print, session, record.earned, 0, record.balance, record.receipt_id
                )
            case Returned():
                session = self.sessions[record.session_id]
                self._book(session, Kind.REVERSAL, record.reversed, record.key, record.at)
                if record.restored:
                    self._book(session, Kind.RESTORATION, record.restored, record.key, record.at)
                self.answers[record.key] = Answer(
                    "return",
                    record.body_print,
                    session,
                    record.reversed,
                    record.restored,
                    record.balance,
                    record.return_id,
                )
            case CustomerPut():
                self.customers.put(
                    record.customer_id, record.name, record.tier, record.points, suspended=record.suspended
                )
            case Tampered():
                self._falsify(record)
            case SessionDropped():
                self._drop(record)

    def _open(self, record: SessionOpened) -> None:
        session = Session(
            record.session_id,
            sys.intern(record.channel_id),
            record.transaction_id,
            self.customers.find(record.customer_id),
            record.at,
        )
        self.sessions[record.session_id] = session
        others = self._by_transaction.get(record.transaction_id, ())
        self._by_transaction[record.transaction_id] = (*others, session)

    def _book(self, session: Session, kind: str, points: int, key: str, at: int) -> None:
        entry = Entry(self.next_number, session, kind, points, key, at)
        self._entries.append(entry)
        session.entries = (*session.entries, entry)
        session.customer.points += entry.signed

    def _falsify(self, record: Tampered) -> None:
        entry = self.entry(record.number)
        if entry is None:
            return
        session = entry.session
        if record.action == "double":
            self._book(session, entry.kind, entry.points, entry.key, entry.at)
            return
        session.customer.points -= entry.signed
        if record.action == "lose":
            self._entries[entry.number - 1] = None
            session.entries = tuple(other for other in session.entries if other is not entry)
        else:
            entry.points = record.points
            session.customer.points += entry.signed

    def _drop(self, record: SessionDropped) -> None:
        session = self.sessions[record.session_id]
        if record.action == "expire":
            session.ended_early = True
        else:
            session.forgotten = True
            del self.sessions[record.session_id]
