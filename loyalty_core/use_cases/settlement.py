"""One try at something a session owes the loyalty host. The live call and the workers take the same steps.

Intent, commit, call, outcome: whatever is sent is on record before it leaves, and whatever comes back is written over
the session as it is by then. The order of the steps is what makes a point impossible to lose or to double.
"""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.loyalty_host import (
    HostError,
    HostIdentification,
    HostNotSent,
    HostSessionReport,
    HostSessionUnknown,
)
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.unit_of_work import CustomerSnapshot, SessionChange
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets, Deadline, StoreTime
from loyalty_core.use_cases.errand import Errand
from loyalty_core.use_cases.outcomes import Ended, Outcomes
from loyalty_core.use_cases.patience import Patience, SettlementPolicy
from loyalty_core.use_cases.pricing import Pricing
from loyalty_core.use_cases.turns import Settled, Try
from loyalty_core.use_cases.verdicts import Verdicts

ReceiptT = TypeVar("ReceiptT")


class _Prepared(msgspec.Struct, Generic[ReceiptT], frozen=True, kw_only=True):
    """A session whose attempt is begun; or which the host turned out to have booked before."""

    session: Session
    booked: ReceiptT | None


class _Unprepared(Exception):
    """The host has ended the try before anything of it was sent; `session` is as the steps until then have left it."""

    def __init__(self, session: Session, error: HostError) -> None:
        super().__init__("nothing was sent")
        self.session = session
        self.error = error


class Settlement:
    """Takes a session from its intent to its outcome, one try at a time."""

    def __init__(self, ports: Ports, pricing: Pricing, budgets: Budgets, policy: SettlementPolicy) -> None:
        self._host = ports.host
        self._clock = ports.clock
        self._observer = ports.observer
        self._budgets = budgets
        self._patience = Patience(policy, ports.identifiers)
        self._verdicts = Verdicts(self._patience, pricing)
        self._outcomes = Outcomes(ports)

    def live_turn(self, errand: Errand[ReceiptT], time: StoreTime, deadline: Deadline, left: float) -> Try[ReceiptT]:
        """The turn of a call that has read its session, and had `left` seconds before it asked for it."""
        return Try(
            errand=errand,
            deadline=deadline,
            time=time,
            lease=self._patience.lease_for(time.read, left),
            live=True,
        )

    def retry_at(self, now: datetime, attempts: int, at_least: float = 0.0) -> datetime:
        """When to try again after `attempts` tries: exponential, capped, with full jitter."""
        return self._patience.retry_at(now, attempts, at_least)

    async def advance(self, session: Session, turn: Try[ReceiptT], *, begun: bool) -> Settled:
        """Do what `session` owes, as far as the host allows.

        `begun` says that the caller has committed this attempt with the intent, so that it may be sent at once.
        It never raises for what the host did. A live turn always ends with an answer for the POS: settled, taken back
        (`error`), or promised; once the intent has committed that is so even where storage fails.
        """
        try:
            return await self._advance(session, turn, begun=begun)
        except Ended as ended:
            return Settled(session=ended.session)

    async def settle_if_booked(
        self, loaded: Loaded, errand: Errand[ReceiptT], *, within: float, report: HostSessionReport | None = None
    ) -> Session:
        """Settle what the session owes if the host has booked one of its earlier sends; the session as it then is.

        Nothing is sent, taken back or failed: where the host tells of no booking, or cannot be asked in `within`
        seconds, the session stays as it is. `report` is the host's own of this session, where the caller has just
        asked for it; without one the host is asked, and only where a send is unanswered.

        Raises:
            ValueError: the session does not owe the errand (`errand.delivery` is None), a bug of the caller.
        """
        session, deadline = loaded.session, Deadline(self._clock, within)
        turn = Try(
            errand=errand,
            deadline=deadline,
            time=StoreTime(self._clock, loaded.now),
            lease=self._patience.lease_for(loaded.now, deadline.left()),
            live=False,
        )
        try:
            if report is None:
                receipt = await self._find_commit(session, turn)
            else:
                receipt = errand.found(session, report)
            if receipt is None:
                return session
            return (await self._book(session, receipt, turn)).session
        except Ended as ended:
            return ended.session
        except HostError:
            return session

    # -- the steps

    async def _advance(self, session: Session, turn: Try[ReceiptT], *, begun: bool) -> Settled:
        current = session
        once_more = True
        while True:
            if not begun:
                try:
                    prepared = await self._prepare(current, turn)
                except _Unprepared as stopped:
                    return await self._end_before_send(stopped.session, stopped.error, turn)
                current = prepared.session
                if prepared.booked is not None:
                    return await self._book(current, prepared.booked, turn)
            try:
                receipt = await turn.errand.send(self._host, current, within=turn.deadline.left())
            except HostSessionUnknown as error:
                if not once_more:
                    return await self._end_after_send(current, error, turn)
                current = await self._forget_host_session(current, error, turn)
                begun = once_more = False
            except HostError as error:
                return await self._end_after_send(current, error, turn)
            else:
                return await self._book(current, receipt, turn)

    async def _prepare(self, session: Session, turn: Try[ReceiptT]) -> _Prepared[ReceiptT]:
        """All that comes before a send: what the host has to learn first, what it has booked already, the attempt."""
        try:
            if session.host_session is None:
                found = await self._identify(session, turn)
                begun = await self._begin_known(session, found, turn)
                if begun is not None:
                    return _Prepared(session=begun, booked=None)
                session = await self._make_known(session, found, turn)
            receipt = await self._find_commit(session, turn)
            if receipt is None:
                session = await self._begin(session, turn)
        except HostError as error:
            raise _Unprepared(session, error) from error
        return _Prepared(session=session, booked=receipt)

    async def _identify(self, session: Session, turn: Try[ReceiptT]) -> HostIdentification:
        """The step owed since identify: the host learns of the customer, we learn the tier."""
        return await self._host.identify(
            session.channel,
            session.transaction,
            session.customer,
            within=min(self._budgets.identify, turn.deadline.left()),
        )

    async def _begin_known(self, session: Session, found: HostIdentification, turn: Try[ReceiptT]) -> Session | None:
        """What was learnt and the attempt in one commit, where nothing was sent before that would be asked about.

        None where the steps have to be taken one by one; nothing was written then.
        """
        if turn.owed(session).unanswered:
            return None
        known = self._verdicts.identified(session, found)
        begun = self._attempt(known.after, turn)
        written = await self._outcomes.begin(
            session,
            turn,
            SessionChange(before=session, after=known.after, cause=known.cause),
            SessionChange(before=known.after, after=begun, cause=Cause.ATTEMPT_BEGUN),
            snapshot=CustomerSnapshot(member=found.member, at=turn.time.now()),
        )
        return begun if written else None

    async def _make_known(self, session: Session, found: HostIdentification, turn: Try[ReceiptT]) -> Session:
        snapshot = CustomerSnapshot(member=found.member, at=turn.time.now())
        settled = await self._outcomes.write(
            session, lambda current: self._verdicts.identified(current, found), turn, snapshot=snapshot
        )
        return settled.session

    async def _find_commit(self, session: Session, turn: Try[ReceiptT]) -> ReceiptT | None:
        """What the host has booked of earlier sends. Absence proves nothing: the send may still be under way."""
        if not turn.owed(session).unanswered or session.host_session is None:
            return None
        try:
            report = await self._host.report(
                session.host_session, within=min(self._budgets.status, turn.deadline.left())
            )
        except HostSessionUnknown:
            return None
        return turn.errand.found(session, report)

    async def _begin(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """Commit the attempt before it is sent. Whoever was overtaken here must not send."""
        begun = self._attempt(session, turn)
        step = SessionChange(before=session, after=begun, cause=Cause.ATTEMPT_BEGUN)
        if not await self._outcomes.begin(session, turn, step):
            raise Ended(await self._outcomes.left(session, turn))
        return begun

    def _attempt(self, session: Session, turn: Try[ReceiptT]) -> Session:
        if turn.deadline.left() <= 0:
            raise HostNotSent("no_time_left")
        ready = turn.errand.ready(session)
        return turn.errand.attempt(ready, turn.owed(ready).begin_attempt(turn.time.now(), turn.lease))

    # -- the outcomes

    async def _book(self, session: Session, receipt: ReceiptT, turn: Try[ReceiptT]) -> Settled:
        if turn.errand.booked_otherwise(session, receipt):
            self._observer.booked_otherwise(session)
        settled = await self._outcomes.write(
            session, lambda current: self._verdicts.booked(current, receipt, turn), turn
        )
        await self._outcomes.mirror(settled.session, turn.errand)
        return settled

    async def _end_before_send(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Settled:
        return await self._outcomes.write(session, lambda current: self._verdicts.unsent(current, error, turn), turn)

    async def _end_after_send(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Settled:
        return await self._outcomes.write(
            session, lambda current: self._verdicts.unaccepted(current, error, turn), turn
        )

    async def _forget_host_session(self, session: Session, error: HostError, turn: Try[ReceiptT]) -> Session:
        settled = await self._outcomes.write(
            session, lambda current: self._verdicts.host_session_lost(current, error, turn), turn
        )
        return settled.session
