"""Writing down what comes of a try: over the session as it is by then, or, where storage is away, as a promise."""

from collections.abc import Callable
from typing import TypeVar

from loyalty_core.domain.errors import OutcomeUnknown
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.answer_cache import CachedAnswer
from loyalty_core.ports.session_store import StaleSession
from loyalty_core.ports.unit_of_work import CustomerSnapshot, Lane, SessionChange
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.errand import Errand
from loyalty_core.use_cases.transitions import STORAGE_TROUBLE, Transitions
from loyalty_core.use_cases.turns import Settled, Try
from loyalty_core.use_cases.verdicts import Verdict

ReceiptT = TypeVar("ReceiptT")


class Ended(Exception):
    """The try is over before its end: somebody else has the session now, or storage is away and a POS waits."""

    def __init__(self, session: Session) -> None:
        super().__init__("the try is over")
        self.session = session


class Outcomes:
    """Commits what tries come to, on connections that new work cannot take."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._cache = ports.cache
        self._observer = ports.observer
        self._transitions = Transitions(ports)

    async def begin(
        self,
        session: Session,
        turn: Try[ReceiptT],
        *steps: SessionChange,
        snapshot: CustomerSnapshot | None = None,
    ) -> bool:
        """Commit the attempt that ends `steps` before it is sent; False where somebody else has changed `session`.

        Raises:
            Ended: storage is away, and nothing may be sent.
        """
        try:
            await self._transitions.commit(*steps, lane=Lane.OUTCOME, snapshot=snapshot)
        except StaleSession:
            return False
        except STORAGE_TROUBLE:
            raise await self._unrecorded(session, turn) from None
        return True

    async def write(
        self,
        session: Session,
        verdict_on: Callable[[Session], Verdict],
        turn: Try[ReceiptT],
        *,
        snapshot: CustomerSnapshot | None = None,
    ) -> Settled:
        """Write what came of the host's word over the session as it is by now; the host is never asked twice for it.

        Raises:
            Ended: the intent is no longer open and what is stored counts; or a POS waits and storage is away.
            OutcomeUnknown: it is not known whether the intent was taken back.
        """
        number = turn.owed(session).number
        current = session
        races = 0
        while True:
            verdict = verdict_on(current)
            if await self._written(current, verdict, turn, snapshot):
                return Settled(session=verdict.after, error=verdict.error, host_failed=verdict.host_failed)
            races += 1
            try:
                await self._transitions.give_way(races)
                current = await self._reread(session)
            except STORAGE_TROUBLE as trouble:
                raise await self._unrecorded(current, turn) from trouble
            still_owed = turn.errand.delivery(current)
            if still_owed is None or still_owed.number != number:
                raise Ended(current)

    async def _written(
        self, current: Session, verdict: Verdict, turn: Try[ReceiptT], snapshot: CustomerSnapshot | None
    ) -> bool:
        """Commit it; False where `current` is no longer what is stored."""
        try:
            await self._transitions.commit(
                SessionChange(before=current, after=verdict.after, cause=verdict.cause, detail=verdict.detail),
                lane=Lane.OUTCOME,
                answer=turn.errand.answer(current, verdict.after),
                snapshot=snapshot,
            )
        except StaleSession:
            return False
        except STORAGE_TROUBLE as trouble:
            if isinstance(trouble, OutcomeUnknown) and verdict.error is not None:
                raise
            raise await self._unrecorded(current, turn) from trouble
        return True

    async def mirror(self, session: Session, errand: Errand[ReceiptT]) -> None:
        """Keep the final answer where replays look first."""
        final = errand.final_answer(session)
        cached = CachedAnswer(
            client=session.client, channel=session.channel, fingerprint=final.fingerprint, body=final.body
        )
        await self._cache.put(final.call, session.id, cached, item=final.item)

    async def _unrecorded(self, session: Session, turn: Try[ReceiptT]) -> Ended:
        """Storage is away and the intent stands: a worker will find out what came of it."""
        self._observer.outcome_not_recorded(session)
        return Ended(await self.left(session, turn))

    async def left(self, session: Session, turn: Try[ReceiptT]) -> Session:
        """What a try that goes no further leaves behind: to a POS that waits, the promise that it settles later.

        The promise goes on record first, and is given all the same where it cannot: only the live call itself could
        take the intent back, and it ends here.
        """
        number = turn.owed(session).number
        current = session
        try:
            current = await self._reread(session)
            delivery = turn.errand.delivery(current)
            if not turn.live or delivery is None or delivery.number != number or delivery.accepted_at is not None:
                return current
            promised = turn.errand.promise(current, delivery, turn.time.now())
            await self._transitions.commit(
                SessionChange(before=current, after=promised, cause=Cause.DELIVERY_AWAITED),
                lane=Lane.OUTCOME,
                answer=turn.errand.answer(current, promised),
            )
        except (StaleSession, *STORAGE_TROUBLE):
            return turn.errand.promise(current, turn.owed(current), turn.time.now()) if turn.live else current
        return promised

    async def _reread(self, session: Session) -> Session:
        loaded = await self._store.find(session.id, lane=Lane.OUTCOME)
        return session if loaded is None else loaded.session
