"""PDI's books: sessions, commits and answers of record. The judge of truth in every fault test."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from loyalty_adapters.pdi_simulator.books import Books
from loyalty_adapters.pdi_simulator.customers import Customer
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
_LARGEST_BALANCE: Final = 2**63 - 1


class Ledger:
    """What may be booked and what is refused. `clock` gives milliseconds since the epoch; `record` makes durable."""

    def __init__(self, *, clock: Callable[[], int], record: Callable[[Record], None], session_ttl_hours: float) -> None:
        self.books = Books()
        self.key_replays = 0
        self.key_reused_with_other_body = 0
        self._clock = clock
        self._record = record
        self._ttl = int(session_ttl_hours * _MILLISECONDS_PER_HOUR)

    def clear(self) -> None:
        """Back to the seeded customers, empty books and no counts."""
        self.books.clear()
        self.key_replays = 0
        self.key_reused_with_other_body = 0

    # --- what PDI's endpoints ask

    def identify(self, channel_id: str, transaction_id: str, customer_id: str) -> Session:
        """The PDI session of (channel, transaction, customer), opened where there is none alive.

        Raises:
            Rejection: 400 `invalid_customer`; 422 `customer_suspended`.
        """
        customer = self.books.customers.active(customer_id)
        now = self._clock()
        for session in self.books.sessions_of(transaction_id):
            if (
                session.channel_id == channel_id
                and session.customer is customer
                and not session.forgotten
                and not session.expired(now, self._ttl)
            ):
                return session
        session_id = "pdi_" + secrets.token_hex(10)
        self._commit(SessionOpened(session_id, channel_id, transaction_id, customer_id, now))
        return self.books.sessions[session_id]

    def known(self, session_id: str) -> Session:
        """The session, expired or not.

        Raises:
            Rejection: 404 `session_unknown`.
        """
        session = self.books.sessions.get(session_id)
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
        self.books.customers.active(session.customer.customer_id)
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
        answer = self.books.answers.get(key)
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
            Rejection: 422 `insufficient_points`, `balance_out_of_range`.
        """
        require_points(session.customer, redeemed)
        now = self._clock()
        receipt = receipt_id or f"PDI-{self.books.next_number:08d}"
        balance = _balance(session.customer.points + earned - redeemed)
        self._commit(Finalized(session.session_id, key, body_print, earned, redeemed, balance, receipt, now))
        return self.books.answers[key]

    def give_back(
        self, session: Session, key: str, body_print: int, *, return_id: str, reversed_points: int, restored: int
    ) -> Answer:
        """Books the reversal and, where points are restored, the restoration; the balance may go below zero.

        One return may not exceed what the session earned and redeemed. The sum of several is not judged: a return
        doubled under another key must show.

        Raises:
            Rejection: 409 `not_finalized`; 422 `over_return`, `balance_out_of_range`.
        """
        earned = session.total(Kind.ACCRUAL)
        redeemed = session.total(Kind.REDEMPTION)
        if not session.entries:
            raise Rejection(409, "not_finalized", "Nothing was booked in this session.", {})
        if reversed_points > earned or restored > redeemed:
            details = {"earnedPoints": earned, "redeemedPoints": redeemed}
            raise Rejection(422, "over_return", "More would go back than was booked.", details)
        balance = _balance(session.customer.points - reversed_points + restored)
        record = Returned(
            session.session_id, key, body_print, return_id, reversed_points, restored, balance, self._clock()
        )
        self._commit(record)
        return self.books.answers[key]

    # --- what the control API asks

    def unbooked_sessions(self) -> Sequence[Session]:
        """Every session PDI still knows in which nothing is booked."""
        return [session for session in self.books.sessions.values() if not session.entries]

    def tamper(self, action: str, entry: Entry, points: int) -> None:
        """Falsifies one entry (`lose`, `double`, `change`); balances follow, answers of record do not."""
        self._commit(Tampered(action, entry.number, points))

    def drop(self, action: str, session: Session) -> None:
        """Makes PDI `forget` the session, or lets it `expire`."""
        self._commit(SessionDropped(action, session.session_id))

    def put_customer(self, customer_id: str, name: str, tier: str, points: int, *, suspended: bool) -> None:
        """Creates an account or changes it; the balance becomes `points`."""
        self._commit(CustomerPut(customer_id, name, tier, points, suspended))

    def _commit(self, record: Record) -> None:
        self._record(record)
        self.books.apply(record)


def require_points(customer: Customer, redeemed: int) -> None:
    """Refuses a redemption beyond the balance.

    Raises:
        Rejection: 422 `insufficient_points`.
    """
    if redeemed > customer.points:
        details: dict[str, Any] = {"requested": redeemed, "balance": customer.points}
        raise Rejection(422, "insufficient_points", "The balance does not cover the redemption.", details)


def _balance(points: int) -> int:
    """A balance that a 64-bit account can hold.

    Raises:
        Rejection: 422 `balance_out_of_range`.
    """
    if abs(points) > _LARGEST_BALANCE:
        raise Rejection(422, "balance_out_of_range", "No account holds that many points.")
    return points
