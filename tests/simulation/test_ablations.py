"""Take one safeguard away, and the histories have to show it: a simulation that finds nothing proves nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import pytest

from loyalty_adapters.memory import sessions as memory_sessions
from loyalty_adapters.memory.sessions import Key, MemorySessions
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import OutcomeUnknown, StorageUnavailable
from loyalty_core.domain.identifiers import SessionId, format_session_id
from loyalty_core.domain.purchase_return import PurchaseReturn, ReturnStatus
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.loyalty_host import HostError, HostIdentification
from loyalty_core.ports.session_store import KeyTaken, Loaded
from loyalty_core.ports.unit_of_work import UnitOfWork
from loyalty_core.use_cases import (
    errand,
    finalize_answers,
    finalize_session,
    outcomes,
    return_errand,
    return_purchase,
    sale_errand,
)
from loyalty_core.use_cases.answers import FinalizeAnswer, Recorded, record
from loyalty_core.use_cases.finalize_session import FinalizeSession
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.outcomes import Outcomes
from loyalty_core.use_cases.patience import Patience
from loyalty_core.use_cases.session_answers import promised_answer
from loyalty_core.use_cases.settlement import Settlement
from loyalty_core.use_cases.turns import Settled, Try
from loyalty_core.use_cases.verdicts import Verdict, Verdicts
from tests.simulation.faults import Meeting
from tests.simulation.gates import GatedStore
from tests.simulation.history import Violation
from tests.simulation.process import at_once
from tests.simulation.scenario import play
from tests.simulation.service import Build

ResultT = TypeVar("ResultT")
Patch = pytest.MonkeyPatch

_SEEDS: Final = 1000
"""A missing safeguard is to be noticed within so many histories; most are within ten."""


def _no_version_check(patch: Patch) -> Build:
    """Whoever writes last wins."""
    patch.setattr(memory_sessions, "_check_version", lambda _change, _stored: None)
    return Build()


class _Shared(MemorySessions):
    def _check(self, work: UnitOfWork) -> dict[Key, SessionId | None]:
        try:
            return super()._check(work)
        except KeyTaken:
            return {}


def _no_unique_key(_: Patch) -> Build:
    """Two sessions may hold one channel and transaction."""
    return Build(store=_Shared)


class _WriteBehind(GatedStore):
    async def commit(self, work: UnitOfWork) -> None:
        if work.changes[-1].cause is not Cause.FINALIZE_INTENDED:
            await super().commit(work)
            return
        self._process.loop.call_later(1.0, lambda: at_once(self._store.commit(work)) if self._process.alive else None)


def _intent_after_the_send(_: Patch) -> Build:
    """The intent is on record some time after it was sent."""
    return Build(gated_store=_WriteBehind)


class _Careless(GatedStore):
    async def commit(self, work: UnitOfWork) -> None:
        try:
            await super().commit(work)
        except OutcomeUnknown:
            raise StorageUnavailable from None


def _lost_commit_taken_for_none(_: Patch) -> Build:
    """A commit whose answer was lost is taken for one that failed."""
    return Build(gated_store=_Careless)


def _new_key_for_each_send(patch: Patch) -> Build:
    """The key is of the attempt instead of the intent."""

    def key(session: Session, delivery: Delivery) -> str:
        return f"{format_session_id(session.id)}:{delivery.number}{delivery.attempts:03d}"

    for module in (errand, sale_errand, return_errand):
        patch.setattr(module, "idempotency_key", key)
    return Build()


def _old_key_for_a_new_intent(patch: Patch) -> Build:
    """The number of a reverted intent is used again."""
    revert = Session.revert

    def forget(self: Session, now: datetime) -> Session:
        return msgspec.structs.replace(revert(self, now), intents=self.intents - 1)

    patch.setattr(Session, "revert", forget)
    return Build()


class _Unasking(Settlement):
    async def _find_commit(self, session: Session, turn: Try[Any]) -> Any:  # noqa: ARG002 - the shape of the method
        return None


def _no_status_probe(_: Patch) -> Build:
    """What is in doubt is sent again without asking first."""
    return Build(settlement=_Unasking)


def _doubt_forgotten(patch: Patch) -> Build:
    """A definite no to one send answers all of them."""
    refused = Delivery.attempt_refused

    def forget(self: Delivery, lease: datetime, error: str, retry_at: datetime) -> Delivery:
        return msgspec.structs.replace(refused(self, lease, error, retry_at), unanswered=0)

    patch.setattr(Delivery, "attempt_refused", forget)
    return Build()


def _no_lease(patch: Patch) -> Build:
    """A live call owns its session for no time at all."""
    patch.setattr(Patience, "lease_for", lambda _self, read, _left: read)
    return Build()


def _promises_broken(patch: Patch) -> Build:
    """What a POS was promised is taken back like anything else."""
    final = Verdicts._final

    def faithless(self: Verdicts, session: Session, delivery: Delivery, error: HostError, turn: Try[Any]) -> Any:
        return final(self, session, msgspec.structs.replace(delivery, accepted_at=None), error, turn)

    patch.setattr(Verdicts, "_final", faithless)
    return Build()


class _Spoken(FinalizeSession):
    async def _promise(
        self,
        session: Session,
        owed: Delivery,  # noqa: ARG002 - the shape of the method
        now: datetime,  # noqa: ARG002 - the shape of the method
    ) -> Recorded[FinalizeAnswer]:
        return record(promised_answer(session)).again()


def _promises_unwritten(_: Patch) -> Build:
    """A 202 is given and not put on record."""
    return Build(finalize=_Spoken)


class _Untold(Settlement):
    async def _begin_known(self, session: Session, found: HostIdentification, turn: Try[Any]) -> None:
        """Never in one: the attempt is not written."""

    async def _begin(self, session: Session, turn: Try[Any]) -> Session:
        ready = turn.errand.ready(session)
        delivery = turn.errand.delivery(ready)
        assert delivery is not None
        return turn.errand.attempt(ready, delivery.begin_attempt(turn.time.now(), turn.lease))


def _attempt_unwritten(_: Patch) -> Build:
    """It is sent, and then perhaps put on record."""
    return Build(settlement=_Untold)


class _Nameless(Settlement):
    async def _begin_known(self, session: Session, found: HostIdentification, turn: Try[Any]) -> Session:
        begun = await self._begin(session, turn)
        return msgspec.structs.replace(begun, host_session=found.session)


def _handle_unwritten(_: Patch) -> Build:
    """The host's handle is used without being on record."""
    return Build(settlement=_Nameless)


def _error_before_the_revert(patch: Patch) -> Build:
    """The POS gets its error, and the intent stands."""
    write = Outcomes.write

    async def hasty(
        self: Outcomes, session: Session, verdict_on: Callable[[Session], Verdict], turn: Try[Any], **rest: Any
    ) -> Settled:
        error = verdict_on(session).error
        if error is not None:
            return Settled(session=session, error=error)
        return await write(self, session, verdict_on, turn, **rest)

    patch.setattr(Outcomes, "write", hasty)
    return Build()


def _storage_trouble_escapes(patch: Patch) -> Build:
    """An outcome that cannot be recorded is an error for the POS."""
    patch.setattr(outcomes, "STORAGE_TROUBLE", ())
    return Build()


class _Alone(Flights):
    async def board(
        self, key: Hashable, work: Callable[[], Awaitable[ResultT]], *, within: float
    ) -> tuple[ResultT, bool]:
        return await super().board((key, object()), work, within=within)


def _no_single_flight(_: Patch) -> Build:
    """Twins in one process each do the work."""
    return Build(flights=_Alone)


class _Leaky(Flights):
    async def board(
        self,
        key: Hashable,  # noqa: ARG002 - the shape of the method
        work: Callable[[], Awaitable[ResultT]],
        *,
        within: float,
    ) -> tuple[ResultT, bool]:
        async with asyncio.timeout(within):
            return await work(), False


def _no_time_limit_of_its_own(_: Patch) -> Build:
    """The work ends with whoever asked for it, or out of time, wherever it is."""
    return Build(flights=_Leaky)


def _any_payload_for_a_replay(patch: Patch) -> Build:
    """Another payload gets the answer of the first."""
    known = finalize_answers.answer_of_record

    def lenient(loaded: Loaded, meaning: str) -> Recorded[FinalizeAnswer] | None:
        intent = loaded.session.intent
        return known(loaded, meaning if intent is None else intent.fingerprint)

    patch.setattr(finalize_session, "answer_of_record", lenient)
    return Build()


def _figures_after_the_send(patch: Patch) -> Build:
    """What was sent may still be computed afresh, or cancelled."""
    patch.setattr(Delivery, "is_unsent", property(lambda _: True))
    return Build()


def _promised_figure_forgotten(patch: Patch) -> Build:
    """A 202 that is rebuilt says what would be promised now."""

    def rebuilt(session: Session) -> FinalizeAnswer:
        assert session.intent is not None
        fresh = msgspec.structs.replace(session.intent, promised_points=None)
        return promised_answer(msgspec.structs.replace(session, intent=fresh))

    for module in (finalize_session, finalize_answers):
        patch.setattr(module, "promised_answer", rebuilt)
    return Build()


def _pending_returns_forgotten(patch: Patch) -> Build:
    """A return is judged against the settled ones only."""
    patch.setattr(PurchaseReturn, "stands", property(lambda self: self.status is ReturnStatus.RETURNED))
    return Build()


def _returns_before_their_sale(patch: Patch) -> Build:
    """A return is sent at once, whatever it stands behind."""
    patch.setattr(return_purchase, "is_next", lambda _session, _id: True)
    return Build()


ABLATIONS: Final[tuple[Callable[[Patch], Build], ...]] = (
    _no_version_check,
    _no_unique_key,
    _intent_after_the_send,
    _lost_commit_taken_for_none,
    _new_key_for_each_send,
    _old_key_for_a_new_intent,
    _no_status_probe,
    _doubt_forgotten,
    _no_lease,
    _promises_broken,
    _promises_unwritten,
    _attempt_unwritten,
    _handle_unwritten,
    _error_before_the_revert,
    _storage_trouble_escapes,
    _no_single_flight,
    _no_time_limit_of_its_own,
    _any_payload_for_a_replay,
    _figures_after_the_send,
    _promised_figure_forgotten,
    _pending_returns_forgotten,
    _returns_before_their_sale,
)


_MEETINGS: Final = {
    _doubt_forgotten: Meeting.LATE_BOOKING,
    _promises_broken: Meeting.LATE_NO,
    _promises_unwritten: Meeting.LATE_NO,
    _promised_figure_forgotten: Meeting.TWO_PROMISES,
    _figures_after_the_send: Meeting.LATE_CANCEL,
}
"""What shows only where certain faults meet, which takes long to happen by chance."""


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.__name__.strip("_"))
def test_without(
    ablation: Callable[[Patch], Build], monkeypatch: Patch, record_property: Callable[[str, object], None]
) -> None:
    """The histories show that the safeguard is gone."""
    build = ablation(monkeypatch)
    for seed in range(_SEEDS):
        try:
            play(seed, build, _MEETINGS.get(ablation))
        except Violation as violation:
            record_property("noticed", f"in history {seed}: {violation}")
            return
    pytest.fail(f"{_SEEDS} histories without this safeguard, and nobody has noticed")
