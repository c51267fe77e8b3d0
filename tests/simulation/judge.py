"""Watches a history as nobody in it can: the database, the ledger and every till at once."""

from collections import defaultdict
from typing import Final

import msgspec

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import CustomerId, HostSessionId, SessionId, format_session_id
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.loyalty_host import FinalizeOrder, ReturnOrder
from loyalty_core.ports.unit_of_work import UnitOfWork
from loyalty_core.use_cases.budgets import Budgets
from tests.simulation.history import Violation
from tests.simulation.process import Process
from tests.simulation.views import Views

BUDGETS: Final = Budgets()

_INTENTS: Final = frozenset({Cause.FINALIZE_INTENDED, Cause.RETURN_INTENDED})


class _Live(msgspec.Struct, frozen=True):
    """A live finalize at work, and until when it may count on being left alone with its session."""

    process: Process
    flight: int
    until: float


class Judge:
    """Raises `Violation` at the moment a safeguard is missing, whether or not harm comes of it in this history."""

    def __init__(self, views: Views) -> None:
        self.intents: Final[defaultdict[int, list[str]]] = defaultdict(list)
        """The keys of the intents that a flight has written, whether or not it was told so."""
        self.promised: Final[dict[tuple[SessionId, str], float]] = {}
        """Since when the promise of a sale (no name), or of a return, is on record."""
        self._views = views
        self._live: dict[str, _Live] = {}
        self._handles: defaultdict[SessionId, set[HostSessionId]] = defaultdict(set)
        self._sessions_of: dict[HostSessionId, SessionId] = {}
        self._bodies: dict[str, FinalizeOrder | ReturnOrder] = {}
        self._begun: dict[str, float] = {}
        self._asked: dict[SessionId, float] = {}
        self._flying: dict[tuple[Process, object], int] = {}
        self._since: dict[int, float] = {}

    # -- flights

    def takes_off(self, process: Process, key: object, flight: int) -> None:
        """Twins of one call in one process are one piece of work."""
        if not process.alive:
            return
        if (process, key) in self._flying:
            raise Violation(f"{process.name} does the same call twice at the same time: {key}")
        self._flying[process, key] = flight
        self._since[flight] = self._views.elapsed()

    def lands(self, process: Process, key: object, flight: int) -> None:
        if self._flying.get((process, key)) == flight:
            del self._flying[process, key]
        self._live = {sale: live for sale, live in self._live.items() if live.flight != flight}

    def process_died(self, process: Process) -> None:
        self._flying = {entry: flight for entry, flight in self._flying.items() if entry[0] is not process}
        self._live = {sale: live for sale, live in self._live.items() if live.process is not process}

    # -- the database

    def committed(self, work: UnitOfWork, process: Process, flight: int | None) -> None:
        """It is written."""
        for change in work.changes:
            after = change.after
            if after.host_session is not None:
                self._handles[after.id].add(after.host_session)
                self._sessions_of[after.host_session] = after.id
            for name, delivery in _deliveries(after):
                if delivery.accepted_at is not None:
                    self.promised.setdefault((after.id, name), self._views.elapsed())
            if change.cause in _INTENTS and flight is not None:
                key, delivery = _last_intent(after)
                self.intents[flight].append(key)
                if delivery.unanswered:
                    self._begun[key] = self._views.elapsed()
                if delivery.accepted_at is None and flight in self._flying.values():
                    self._live[key] = _Live(process, flight, self._since[flight] + BUDGETS.finalize)
            if change.cause is Cause.ATTEMPT_BEGUN:
                self._attempt_begun(after)
        self._views.one_holder_of_each_key()

    def claimed(self, session: Session) -> None:
        """No worker touches a session whose live call is at work on it."""
        key, delivery = owed(session)
        live = self._live.get(key)
        if delivery.accepted_at is not None:
            return  # promised: the live call has nothing left to do with it but to say so
        if live is not None and live.process.alive and self._views.elapsed() < live.until:
            raise Violation(f"a worker has claimed {session.transaction} while its POS call is at work on it")

    def _attempt_begun(self, session: Session) -> None:
        """Where an earlier send is without an answer, the host is asked what came of it before it is sent again."""
        key, delivery = owed(session)
        begun, asked = self._begun.get(key), self._asked.get(session.id, -1.0)
        self._begun[key] = self._views.elapsed()
        if delivery.unanswered > 1 and begun is not None and asked < begun:
            raise Violation(f"{session.transaction} is sent again without asking what came of the last time")

    # -- the host

    def asks(self, handle: HostSessionId) -> None:
        session = self._sessions_of.get(handle)
        if session is not None:
            self._asked[session] = self._views.elapsed()

    def customer_of(self, handle: HostSessionId) -> CustomerId:
        """Whose sale a handle of the host is of."""
        return self._views.session(self._sessions_of[handle]).customer

    def sends(self, order: FinalizeOrder | ReturnOrder, process: Process) -> None:
        """What has to be on record before anything may be sent."""
        body = msgspec.structs.replace(order, host_session=HostSessionId(""))
        if self._bodies.setdefault(order.key, body) != body:
            raise Violation(f"{order.key} is sent with two different bodies")
        session = self._views.find(order.key)
        if session is None or session.intents < int(order.key.partition(":")[2]):
            raise Violation(f"{process.name} sends {order.key}, which is the key of no intent on record")
        if order.host_session not in self._handles[session.id]:
            raise Violation(f"{process.name} sends {order.key} with a handle that is not on record")
        delivery = _delivery_under(session, order.key)
        if delivery is None:
            raise Violation(f"{process.name} sends {order.key}, which has been given up")
        if delivery.next_attempt_at is not None and (delivery.unanswered < 1 or delivery.sent_at is None):
            raise Violation(f"{process.name} sends {order.key}, and the attempt is not on record")


def owed(session: Session) -> tuple[str, Delivery]:
    """The key and the delivery of what a session owes the host first."""
    if session.status is SessionStatus.FINALIZING and session.delivery is not None:
        return _key(session, session.delivery), session.delivery
    delivery = next(goods.delivery for goods in session.returns if goods.is_owed)
    return _key(session, delivery), delivery


def _deliveries(session: Session) -> list[tuple[str, Delivery]]:
    sale = [] if session.delivery is None else [("", session.delivery)]
    return [*sale, *((goods.id, goods.delivery) for goods in session.returns)]


def _last_intent(session: Session) -> tuple[str, Delivery]:
    delivery = session.returns[-1].delivery if session.returns else session.delivery
    if delivery is None:
        raise AssertionError("an intent has a delivery")
    return _key(session, delivery), delivery


def _delivery_under(session: Session, key: str) -> Delivery | None:
    """The delivery of a key while it stands: owed, or settled by the host's word."""
    standing = [goods.delivery for goods in session.returns if goods.stands]
    if session.delivery is not None and session.status not in {SessionStatus.FAILED, SessionStatus.CANCELLED}:
        standing.append(session.delivery)
    return next((delivery for delivery in standing if _key(session, delivery) == key), None)


def _key(session: Session, delivery: Delivery) -> str:
    return f"{format_session_id(session.id)}:{delivery.number}"
