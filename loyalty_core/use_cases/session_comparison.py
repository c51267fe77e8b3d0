"""One session compared with the host's books, and settled where it turns out to be booked."""

from datetime import timedelta
from typing import Final

import msgspec

from loyalty_core.domain.comparison import Terms, can_settle, compare, not_answered
from loyalty_core.domain.difference import TOLD_WITHOUT_A_REPORT, Difference, DifferenceKind
from loyalty_core.domain.host_books import HostSessionReport
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import Session
from loyalty_core.domain.session_returns import find_return, first_owed
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.enquiries import Enquiries, NoAnswer
from loyalty_core.use_cases.programs import SaleProgram
from loyalty_core.use_cases.return_errand import ReturnErrand
from loyalty_core.use_cases.sale_errand import SALE
from loyalty_core.use_cases.settlement import Settlement

_LOOKS: Final = 3
"""How often a session is compared that is changed by others meanwhile."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of comparing one session."""

    session: SessionId
    differences: tuple[Difference, ...] | None
    """None where it kept changing: its next step brings it up again."""
    resolves: frozenset[DifferenceKind] | None = None
    """See `Judged`."""
    settled: bool = False
    answered: bool = True


class SessionComparison:
    """Compares a session as it was read with what the host reports of it now."""

    def __init__(
        self,
        ports: Ports,
        *,
        settlement: Settlement,
        programs: SaleProgram,
        budgets: Budgets,
        overdue_after: timedelta,
        figure_is_ours: bool,
    ) -> None:
        self._store = ports.store
        self._observer = ports.observer
        self._settlement = settlement
        self._programs = programs
        self._within = budgets.status
        self._overdue_after = overdue_after
        self._figure_is_ours = figure_is_ours

    async def __call__(self, loaded: Loaded, enquiries: Enquiries) -> Verdict:
        """Every difference there is.

        A difference counts only if the session is still as it was when the host was asked: a return that is booked in
        between is none.

        Raises:
            HostStaysAway: see there.
            StorageUnavailable, Overloaded: the session could not be read again.
        """
        session_id, settled = loaded.session.id, False
        for _ in range(_LOOKS):
            try:
                report = await self._report(loaded.session, enquiries)
            except NoAnswer as silence:
                found = (not_answered(loaded.session, silence.reason),)
                return Verdict(
                    session=session_id, differences=found, resolves=frozenset(), settled=settled, answered=False
                )
            session = await self._settle(loaded, report)
            settled = settled or session.version != loaded.session.version
            terms = Terms(now=loaded.now, overdue_after=self._overdue_after, figure_is_ours=self._figure_is_ours)
            differences = compare(session, report, terms)
            again = None if not differences else await self._store.find(session_id)
            if again is None or again.session.version == session.version:
                resolves = None if report is not None else TOLD_WITHOUT_A_REPORT
                return Verdict(session=session_id, differences=differences, resolves=resolves, settled=settled)
            loaded = again
        return Verdict(session=session_id, differences=None, settled=settled)

    @staticmethod
    async def _report(session: Session, enquiries: Enquiries) -> HostSessionReport | None:
        """What the host has of it; None too where it never told us a handle to ask by."""
        return None if session.host_session is None else await enquiries.report(session.host_session)

    async def _settle(self, loaded: Loaded, report: HostSessionReport | None) -> Session:
        """The session, settled by the way that workers go where what it owes is booked and nobody is at work on it."""
        session, owed = loaded.session, first_owed(loaded.session)
        if report is None or owed is None or owed[1].is_claimed(loaded.now) or not can_settle(session, report):
            return session
        goods = None if owed[0] is None else find_return(session, owed[0])
        if goods is None:
            origin = None if session.intent is None else session.intent.origin
            with self._observer.delivering(origin):
                return await self._settlement.settle_if_booked(loaded, SALE, within=self._within, report=report)
        errand = ReturnErrand(goods.id, await self._programs.of(session))
        with self._observer.delivering(goods.origin):
            return await self._settlement.settle_if_booked(loaded, errand, within=self._within, report=report)
