"""Whole lives of sessions, made by driving real transitions with generated content."""

from collections.abc import Callable
from typing import Final, TypeAlias

from hypothesis import strategies as st

from loyalty_core.domain.errors import IllegalTransition
from loyalty_core.domain.identifiers import HostSessionId
from loyalty_core.domain.session import Cause, Opening, Session, SessionStatus
from loyalty_core.ports.unit_of_work import SessionChange
from tests.contracts.return_steps import (
    return_attempted,
    return_begun,
    return_completed,
    return_frozen,
    return_parked,
    return_rejected,
    return_taken_back,
)
from tests.contracts.sale_steps import (
    MOMENTS,
    POINTS,
    START,
    TEXT,
    Step,
    answered,
    attempt,
    begin,
    cancelled,
    completed,
    emptied,
    expired,
    failed,
    host_forgets,
    host_knows,
    metadata,
    parked,
    promised,
    quoted,
    recomputed,
    reverted,
    unanswered,
)
from tests.contracts.sales import HOUR, new_session

History: TypeAlias = list[SessionChange]


@st.composite
def histories(draw: st.DrawFn, ending: SessionStatus) -> History:
    """A session's changes from its identification to the state `ending`, with detours on the way."""
    session = _identified(draw)
    history = [SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)]

    def go(step: Step) -> None:
        after, cause = step(history[-1].after)
        history.append(SessionChange(before=history[-1].after, after=after, cause=cause, detail=draw(st.none() | TEXT)))

    for _ in range(draw(st.integers(0, 3))):
        go(draw(st.sampled_from(_OPEN_STEPS))(draw))
    if draw(st.booleans()):
        go(begin(draw))
        go(reverted(draw))
    if ending in _ENDS_OPEN and (ending not in _ENDS_OWED or draw(st.booleans())):
        go(_ENDS_OPEN[ending](draw))
        return history
    go(begin(draw))
    for _ in range(draw(st.integers(0, 5))):
        step = draw(st.sampled_from(_OWED_STEPS))(draw)
        try:
            go(step)
        except IllegalTransition:  # this detour does not exist here
            continue
    for step in _ENDS_OWED[ending](draw):
        go(step)
    return history


def _identified(draw: st.DrawFn) -> Session:
    opening = st.builds(
        Opening,
        fingerprint=st.just("a" * 64),
        name=st.none() | TEXT,
        points=st.none() | POINTS,
        tier=st.none() | TEXT,
        provisional=st.booleans(),
    )
    return new_session(
        opening=draw(opening),
        tier=draw(st.none() | TEXT),
        created_at=draw(MOMENTS),
        expires_at=START + HOUR,
        occurred_at=draw(st.none() | MOMENTS),
        metadata=draw(metadata()),
        host_session=draw(st.none() | st.just(HostSessionId("pdi-1"))),
    )


def _queued_return(draw: st.DrawFn) -> Step:
    return return_begun(draw, f"R-{draw(st.uuids())}", "1/1000")


def _some_returned(draw: st.DrawFn) -> list[Step]:
    """Of four returns one is booked, one refused, one taken back, and one is owed or parked."""
    last = draw(st.sampled_from([return_attempted, return_parked, return_frozen]))
    return [
        completed(draw),
        return_begun(draw, "R-1", "1/7"),
        return_begun(draw, "R-2", "2/7"),
        return_frozen(draw, "R-1"),
        return_taken_back(draw, "R-1"),
        return_begun(draw, "R-3", "3/7"),
        return_rejected(draw, "R-2"),
        return_attempted(draw, "R-3"),
        return_completed(draw, "R-3"),
        return_begun(draw, "R-4", "1/7"),
        last(draw, "R-4"),
    ]


def _all_returned(draw: st.DrawFn) -> list[Step]:
    return [
        completed(draw),
        return_begun(draw, "R-2", "2/3"),
        return_begun(draw, "R-1", "1/3"),
        return_completed(draw, "R-2"),
        return_completed(draw, "R-1"),
    ]


_OPEN_STEPS: Final = [quoted, emptied, host_knows, host_forgets]
_OWED_STEPS: Final = [
    _queued_return,
    attempt,
    unanswered,
    parked,
    promised,
    recomputed,
    host_knows,
    host_forgets,
]
_ENDS_OPEN: Final[dict[SessionStatus, Callable[[st.DrawFn], Step]]] = {
    SessionStatus.ACTIVE: emptied,
    SessionStatus.CALCULATED: quoted,
    SessionStatus.CANCELLED: cancelled,
    SessionStatus.FAILED: expired,
}
_ENDS_OWED: Final[dict[SessionStatus, Callable[[st.DrawFn], list[Step]]]] = {
    SessionStatus.FINALIZING: lambda draw: [attempt(draw), unanswered(draw)],
    SessionStatus.FINALIZED: lambda draw: [completed(draw)],
    SessionStatus.FAILED: lambda draw: [answered(), failed(draw)],
    SessionStatus.PARTIALLY_RETURNED: _some_returned,
    SessionStatus.RETURNED: _all_returned,
}
