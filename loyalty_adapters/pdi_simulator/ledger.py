"""PDI's books: sessions, commits and answers of record. The judge of truth in every fault test."""

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from loyalty_adapters.pdi_simulator.customers import Customer, Customers
from loyalty_adapters.pdi_simulator.entries import Answer, Entry, Kind, Session
from loyalty_adapters.pdi_simulator.messages import Rejection
from loyalty_adapters.pdi_simulator.records import (
    CustomerPut,
    Finalized,
    Record,
    Returned,
    SessionDropped,
    SessionOpened,
    Tampered,
)

_MILLISECONDS_PER_HOUR: Final = 3_600_000


class Ledger:
    """State is nothing but applied records, so that a restart, which applies them again, cannot differ.

    `clock` gives milliseconds since the epoch; `record` makes a record durable (it is applied here first).
    """

    def __init__(self, *, clock: Callable[[], int], record: Callable[[Record], None], session_ttl_hours: float) -> None:
        self._clock = clock
        self._record = record
        self._ttl = int(session_ttl_hours * _MILLISECONDS_PER_HOUR)
        self.clear()

    def clear(self) -> None:
        """Back to the seeded customers and empty books."""
        self.customers = Customers()
        self._sessions: dict[str, Session] = {}
        self._by_transaction: dict[str, tuple[Session, ...]] = {}
        self._answers: dict[str, Answer] = {}
        self._entries: dict[int, Entry] = {}
        self._next_number = 1
        self.key_replays = 0
        self.key_reused_with_other_body = 0

    # --- what PDI's endpoints ask

    def identify(self, channel_id: str, transaction_id: str, customer_id: str) -> Session:
        """The PDI session of (channel, transaction, customer), opened where there is none alive.

        Raises:
            Rejection: 400 `invalid_customer`; 422 `customer_suspended`.
        """
        customer = self.customers.active(customer_id)
        now = self._clock()
        for session in self._by_transaction.get(transaction_id, ()):
            if (
                session.channel_id == channel_id
                and session.customer is customer
                and not session.forgotten
                and not session.expired(now, self._ttl)
            ):
                return session
        session_id = "pdi_" + secrets.token_hex(10)
        self._commit(SessionOpened(session_id, channel_id, transaction_id, customer_id, now))
        return self._sessions[session_id]

    def known(self, session_id: str) -> Session:
        """The session, expired or not.

        Raises:
            Rejection: 404 `session_unknown`.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise Rejection(404, "session_unknown", "PDI knows no such session.", {"sessionId": session_id})
        return session

    def usable(self, session_id: str) -> Session:
        """The session, if it may still be quoted and finalized.

        Raises:
            Rejection: 404 `session_unknown`, 404 `session_expired`; 422 `customer_suspended`.
        """
        session = self.known(session_id)
        if session.expired(self._clock(), self._ttl):
            raise Rejection(404, "session_expired", "This session has expired.", {"sessionId": session_id})
        self.customers.active(session.customer.customer_id)
        return session

    def status(self, session: Session) -> str:
        """`active`, `finalized` (something was committed and is still booked) or `expired`."""
        if session.entries:
            return "finalized"
        return "expired" if session.expired(self._clock(), self._ttl) else "active"

    def answer(self, key: str, endpoint: str, body_print: int) -> Answer | None:
        """The answer of record under an idempotency key; None where the key has committed nothing yet.

        The key alone decides; a body that differs is counted, not refused.

        Raises:
            Rejection: 422 `idempotency_key_reused`, the key committed something at the other endpoint.
        """
        answer = self._answers.get(key)
        if answer is None:
            return None
        if answer.endpoint != endpoint:
            raise Rejection(422, "idempotency_key_reused", "This key belongs to another call.", {"key": key})
        self.key_replays += 1
        self.key_reused_with_other_body += answer.body_print != body_print
        return answer

    def finalize(
        self, session: Session, key: str, body_print: int, *, earned: int, redeemed: int, receipt_id: str | None
    ) -> Answer:
        """Books the accrual and, where points are redeemed, the redemption: one commit, both or neither.

        A session that has been finalized under another key is finalized again: that is the point of this ledger.

        Raises:
            Rejection: 422 `insufficient_points`.
        """
        require_points(session.customer, redeemed)
        now = self._clock()
        receipt = receipt_id or f"PDI-{self._next_number:08d}"
        balance = session.customer.points + earned - redeemed
        self._commit(Finalized(session.session_id, key, body_print, earned, redeemed, balance, receipt, now))
        return self._answers[key]

    def give_back(
        self, session: Session, key: str, body_print: int, *, return_id: str, reversed_points: int, restored: int
    ) -> Answer:
        """Books the reversal and, where points are restored, the restoration; the balance may go below zero.

        One return may not exceed what the session earned and redeemed. The sum of several is not judged: a return
        doubled under another key must show.

        Raises:
            Rejection: 409 `not_finalized`; 422 `over_return`.
        """
        earned = session.total(Kind.ACCRUAL)
        redeemed = session.total(Kind.REDEMPTION)
        if not session.entries:
            raise Rejection(409, "not_finalized", "Nothing was booked in this session.", {})
        if reversed_points > earned or restored > redeemed:
            details = {"earnedPoints": earned, "redeemedPoints": redeemed}
            raise Rejection(422, "over_return", "More would go back than was booked.", details)
        balance = session.customer.points - reversed_points + restored
        record = Returned(
            session.session_id, key, body_print, return_id, reversed_points, restored, balance, self._clock()
        )
        self._commit(record)
        return self._answers[key]

    # --- what the control API asks

    def entries(self) -> Sequence[Entry]:
        """Every commit, oldest first, as of now."""
        return list(self._entries.values())

    def entry(self, number: int) -> Entry | None:
        """One commit by its number."""
        return self._entries.get(number)

    def entries_of(self, transaction_id: str) -> Sequence[Entry]:
        """The commits of one transaction, all channels, oldest first."""
        sessions = self._by_transaction.get(transaction_id, ())
        found = [entry for session in sessions for entry in session.entries]
        return sorted(found, key=lambda entry: entry.number)

    def live_sessions(self) -> Iterator[Session]:
        """Every session PDI still knows."""
        return iter(list(self._sessions.values()))

    def tamper(self, action: str, entry: Entry, points: int) -> None:
        """Falsifies one entry (`lose`, `double`, `change`); balances follow, answers of record do not."""
        self._commit(Tampered(action, entry.number, points))

    def drop(self, action: str, session: Session) -> None:
        """Makes PDI `forget` the session, or lets it `expire`."""
        self._commit(SessionDropped(action, session.session_id))

    def put_customer(self, customer_id: str, name: str, tier: str, points: int, *, suspended: bool) -> None:
        """Creates an account or changes it; the balance becomes `points`."""
        self._commit(CustomerPut(customer_id, name, tier, points, suspended))

    # --- how state changes: here and nowhere else

    def _commit(self, record: Record) -> None:
        self._record(record)
        self.apply(record)

    def apply(self, record: Record) -> None:
        """Makes the record so; called once for each, now or at the next start."""
        match record:
            case SessionOpened():
                self._open(record)
            case Finalized():
                session = self._sessions[record.session_id]
                self._book(session, Kind.ACCRUAL, record.earned, record.key, record.at)
                if record.redeemed:
                    self._book(session, Kind.REDEMPTION, record.redeemed, record.key, record.at)
                self._answers[record.key] = Answer(
                    "finalize", record.body_print, session, record.earned, 0, record.balance, record.receipt_id
                )
            case Returned():
                session = self._sessions[record.session_id]
                self._book(session, Kind.REVERSAL, record.reversed, record.key, record.at)
                if record.restored:
                    self._book(session, Kind.RESTORATION, record.restored, record.key, record.at)
                self._answers[record.key] = Answer(
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
        self._sessions[record.session_id] = session
        others = self._by_transaction.get(record.transaction_id, ())
        self._by_transaction[record.transaction_id] = (*others, session)

    def _book(self, session: Session, kind: str, points: int, key: str, at: int) -> None:
        entry = Entry(self._next_number, session, kind, points, key, at)
        self._next_number += 1
        self._entries[entry.number] = entry
        session.entries = (*session.entries, entry)
        session.customer.points += entry.signed

    def _falsify(self, record: Tampered) -> None:
        entry = self._entries[record.number]
        session = entry.session
        if record.action == "double":
            self._book(session, entry.kind, entry.points, entry.key, entry.at)
            return
        session.customer.points -= entry.signed
        if record.action == "lose":
            del self._entries[entry.number]
            session.entries = tuple(other for other in session.entries if other is not entry)
        else:
            entry.points = record.points
            session.customer.points += entry.signed

    def _drop(self, record: SessionDropped) -> None:
        session = self._sessions[record.session_id]
        if record.action == "expire":
            session.ended_early = True
        else:
            session.forgotten = True
            del self._sessions[record.session_id]


def require_points(customer: Customer, redeemed: int) -> None:
    """Refuses a redemption beyond the balance.

    Raises:
        Rejection: 422 `insufficient_points`.
    """
    if redeemed > customer.points:
        details: dict[str, Any] = {"requested": redeemed, "balance": customer.points}
        raise Rejection(422, "insufficient_points", "The balance does not cover the redemption.", details)
