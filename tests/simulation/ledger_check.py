"""The end of every history: what was answered, what we say, and what the host has booked are one and the same."""

from collections import Counter, defaultdict
from typing import Final

from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.identifiers import ReturnId, SessionId, parse_session_id
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnStatus
from loyalty_core.domain.session import SETTLED, Session, SessionStatus
from loyalty_core.domain.session_returns import find_return, first_owed
from loyalty_core.use_cases.answers import FinalizeAnswer, IdentifyAnswer, ReturnAnswer
from loyalty_core.use_cases.finalize_figures import Finalize
from loyalty_core.use_cases.return_purchase import ReturnGoods
from tests.simulation.history import Call, Violation
from tests.simulation.judge import BUDGETS, Judge
from tests.simulation.views import Views

_REPEAT: Final = frozenset({"in_flight", "outcome_unknown"})
"""The errors that mean "repeat the same call", and promise nothing."""
_NEVER: Final = float("inf")
_SLACK: Final = 0.15
"""Seconds to reach the process, and its cache, before the call's own time begins."""


def check_ledger(calls: list[Call], judge: Judge, views: Views) -> None:
    """Hold the history to its promises.

    Raises:
        Violation: naming the session or the call.
    """
    _nothing_twice(views)
    for session in views.store.all():
        _our_state_agrees(session, views)
        _our_returns_agree(session, views)
    by_session: defaultdict[SessionId, list[Call]] = defaultdict(list)
    by_return: defaultdict[tuple[SessionId, ReturnId], list[Call]] = defaultdict(list)
    for call in calls:
        _in_time(call)
        if call.error is not None and call.code not in _REPEAT:
            _an_error_is_final(call, judge, views)
        if isinstance(call.command, Finalize):
            by_session[call.command.session_id].append(call)
        if isinstance(call.command, ReturnGoods):
            by_return[call.command.session_id, call.command.return_id].append(call)
    for session_id, finalizes in by_session.items():
        on_record = judge.promised.get((session_id, ""), _NEVER)
        _answers_are_kept(views.session(session_id), finalizes, on_record)
    for (session_id, return_id), returns in by_return.items():
        goods = find_return(views.session(session_id), return_id)
        _return_answers_are_kept(goods, returns, judge.promised.get((session_id, return_id), _NEVER))
    _openings_are_kept(calls)


def _nothing_twice(views: Views) -> None:
    for booking in views.pdi.ledger:
        if views.find(booking.key) is None:
            raise Violation(f"{booking.key} is booked, and we know nothing of it")
    booked = Counter((booking.channel, booking.transaction, booking.returned) for booking in views.pdi.ledger)
    for sale, times in booked.items():
        if times > 1:
            raise Violation(f"{sale} is booked {times} times")


def _our_state_agrees(session: Session, views: Views) -> None:
    booked = views.booked_sale(session)
    if session.status in SETTLED:
        rewarded = session.intent is not None and session.intent.apply_rewards
        if len(booked) != rewarded:
            raise Violation(f"{session.transaction} is {session.status} and booked {len(booked)} times")
        for booking in booked:
            if session.receipt is None or session.receipt.earned_points != booking.points:
                raise Violation(f"{session.transaction} was booked with {booking.points} points, we say otherwise")
            if session.redeemed_points != booking.redeemed:
                raise Violation(f"{session.transaction} was booked with {booking.redeemed} redeemed, we say otherwise")
    elif booked:
        raise Violation(f"{session.transaction} is {session.status} and booked")
    if session.status is SessionStatus.FINALIZING:
        _undecidable(session, session.delivery, views)


def _our_returns_agree(session: Session, views: Views) -> None:
    reversed_points = restored_points = 0
    for goods in session.returns:
        booked = views.booked_return(session, goods.id)
        rewarded = session.intent is not None and session.intent.apply_rewards
        if len(booked) != (rewarded and goods.status is ReturnStatus.RETURNED):
            raise Violation(f"return {goods.id} of {session.transaction} is {goods.status}, booked {len(booked)} times")
        for booking in booked:
            figures = (-booking.points, -booking.redeemed)
            if goods.figures is None or figures != (goods.figures.points_reversed, goods.figures.points_restored):
                raise Violation(f"return {goods.id} of {session.transaction} was booked as {figures}, we say otherwise")
            reversed_points, restored_points = reversed_points + figures[0], restored_points + figures[1]
        if goods.is_owed and session.status in SETTLED and first_owed(session) == (goods.id, goods.delivery):
            _undecidable(session, goods.delivery, views)
    if (reversed_points, restored_points) != (session.points_reversed, session.points_restored):
        raise Violation(f"{session.transaction} has not the points that its returns have taken")
    if session.receipt is not None and reversed_points > session.receipt.earned_points:
        raise Violation(f"the returns of {session.transaction} have taken more points than it gave")
    listed = {goods.id for goods in session.returns}
    if any(booking.returned not in {None, *listed} for booking in views.booked(session)):
        raise Violation(f"a return of {session.transaction} is booked, and we know nothing of it")


def _undecidable(session: Session, delivery: Delivery | None, views: Views) -> None:
    """What is left undecided at the end is what only the host, who refuses the customer from now on, could tell."""
    parked = delivery is not None and delivery.unanswered and delivery.parked_at
    if not parked or session.customer not in views.pdi.blocked:
        raise Violation(f"{session.transaction} is undecided, and could have been decided: {delivery}")


def _in_time(call: Call) -> None:
    """Loyalty never blocks the sale."""
    budget = {
        "identify": BUDGETS.identify,
        "finalize": BUDGETS.finalize,
        "returngoods": BUDGETS.give_back,
    }.get(call.kind)
    if budget is None or call.unanswered or call.stalled or call.ended is None:
        return
    took = call.ended - call.started
    if took > budget + BUDGETS.slack + _SLACK:
        raise Violation(f"{call} took {took:.3f} s")


def _an_error_is_final(call: Call, judge: Judge, views: Views) -> None:
    if call.flight is None:
        return
    booked = views.booked_keys().intersection(judge.intents.get(call.flight, ()))
    if booked:
        raise Violation(f"{call} was answered {call.code}, and {booked} is booked")


class _Given:
    """What the tills were answered so far for one sale.

    A promise that could not be put on record is given all the same; only those after it need be the same bytes.
    """

    def __init__(self, on_record: float) -> None:
        self._on_record = on_record
        self.meaning: str | None = None
        self.bodies: dict[SessionStatus, bytes | None] = {}
        self.statuses: set[SessionStatus] = set()
        self.since: defaultdict[SessionStatus, float] = defaultdict(lambda: _NEVER)

    def add(self, call: Call, answer: FinalizeAnswer) -> None:
        fingerprint = call.command.fingerprint()
        if self.meaning not in {None, fingerprint}:
            raise Violation(f"{call} was accepted, as was another payload before")
        if answer.status is SessionStatus.FINALIZING and call.started > self.since[SessionStatus.FINALIZED]:
            raise Violation(f"{call} was answered 202 after a 200")
        first = self.bodies.get(answer.status, call.body)
        if first != call.body:
            raise Violation(f"{call} was answered {call.body!r}, before that {first!r}")
        if answer.status is SessionStatus.FINALIZED or (call.ended or 0.0) >= self._on_record:
            self.bodies[answer.status] = first
        self.statuses.add(answer.status)
        self.meaning = fingerprint
        self.since[answer.status] = min(self.since[answer.status], call.ended or 0.0)


def _answers_are_kept(session: Session, calls: list[Call], on_record: float) -> None:
    given = _Given(on_record)
    for call in sorted(calls, key=lambda call: call.ended or 0.0):
        settled = call.started > given.since[SessionStatus.FINALIZED]
        if isinstance(call.answer, FinalizeAnswer):
            given.add(call, call.answer)
        elif call.error is not None and (settled or call.started > given.since[SessionStatus.FINALIZING]):
            _error_after_an_answer(call, given.meaning, session, settled=settled)
    kept = SETTLED
    if SessionStatus.FINALIZED not in given.statuses:
        kept |= {SessionStatus.FAILED, SessionStatus.CANCELLED, SessionStatus.FINALIZING}
    if given.statuses and session.status not in kept:
        raise Violation(f"{session.transaction} was answered {', '.join(sorted(given.statuses))}, is {session.status}")


def _error_after_an_answer(call: Call, meaning: str | None, session: Session, *, settled: bool) -> None:
    """A repeated call gets its answer again, another payload is refused; storage may be away for either."""
    allowed = {"storage_unavailable", "overloaded", "concurrent_update", "outcome_unknown", "in_flight"}
    if call.command.fingerprint() != meaning:
        allowed |= {"transaction_mismatch"}
    if not settled:
        allowed |= {"settlement_failed"}
        if session.status is SessionStatus.CANCELLED:
            allowed |= {"illegal_transition"}
    if call.code not in allowed:
        raise Violation(f"{call} was answered {call.code} after the sale had been answered")


def _return_answers_are_kept(goods: PurchaseReturn | None, calls: list[Call], on_record: float) -> None:
    answers: dict[ReturnStatus, bytes | None] = {}
    returned_at = _NEVER
    for call in sorted(calls, key=lambda call: call.ended or 0.0):
        if not isinstance(call.answer, ReturnAnswer):
            continue
        first = answers.get(call.answer.status, call.body)
        if first != call.body:
            raise Violation(f"{call} was answered {call.body!r}, before that {first!r}")
        if call.answer.status is ReturnStatus.RETURNED or (call.ended or 0.0) >= on_record:
            answers[call.answer.status] = first
        if call.answer.status is ReturnStatus.RETURNED:
            returned_at = min(returned_at, call.ended or 0.0)
        elif call.started > returned_at:
            raise Violation(f"{call} was answered 202 after a 200")
    if goods is None and any(isinstance(call.answer, ReturnAnswer) for call in calls):
        raise Violation(f"{calls[0]} was answered, and there is no such return")
    if ReturnStatus.RETURNED in answers and goods is not None and goods.status is not ReturnStatus.RETURNED:
        raise Violation(f"return {goods.id} was answered 200 and is {goods.status}")


def _openings_are_kept(calls: list[Call]) -> None:
    """All answers that name one session are the same bytes."""
    openings: dict[str, bytes | None] = {}
    for call in calls:
        if isinstance(call.answer, IdentifyAnswer):
            first = openings.setdefault(call.answer.session_id, call.body)
            if first != call.body or parse_session_id(call.answer.session_id) is None:
                raise Violation(f"{call} was answered {call.body!r}, before that {first!r}")
