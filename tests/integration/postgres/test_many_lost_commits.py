"""Five hundred commits whose answers are lost, one after the other: what is known afterwards is what was written."""

from typing import Final

import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.unit_of_work import Lane, SessionChange, UnitOfWork
from tests.contracts.sales import a_quote, loaded, new_session, stored, unit
from tests.faults.proxy import Act, FaultProxy

CUTS: Final = 500
_ACTS: Final = (Act.LOSE_REQUEST, Act.LOSE_ANSWER, Act.ORPHAN)


def _emptied(session: Session) -> Session:
    return session.quoted(a_quote(), session.created_at)


async def _alone(store: PostgresSessions, before: Session) -> Session:
    """One change, by itself: its statement is its commit."""
    after = _emptied(before)
    await store.commit(unit(before, after, Cause.EMPTIED))
    return after


async def _in_two_steps(store: PostgresSessions, before: Session) -> Session:
    """Two changes that a group writes as one row."""
    between = _emptied(before)
    after = _emptied(between)
    steps = (
        SessionChange(before=before, after=between, cause=Cause.EMPTIED),
        SessionChange(before=between, after=after, cause=Cause.EMPTIED),
    )
    await store.commit(UnitOfWork(changes=steps, lane=Lane.OUTCOME))
    return after


async def _with_another(store: PostgresSessions, before: Session) -> Session:
    """Two sessions in one transaction, with a COMMIT of its own."""
    after = _emptied(before)
    other = SessionChange(before=None, after=new_session(), cause=Cause.IDENTIFIED)
    change = SessionChange(before=before, after=after, cause=Cause.EMPTIED)
    await store.commit(UnitOfWork(changes=(change, other)))
    return after


_WAYS: Final = ((_alone, b"emptied"), (_in_two_steps, b"emptied"), (_with_another, b"COMMIT"))


@pytest.mark.slow
async def test_five_hundred_cuts_are_all_resolved(
    proxy: FaultProxy, fragile: Connections, operator: psycopg.AsyncConnection
) -> None:
    """However the commit was made and wherever it was cut: each version is made once, and every caller was told."""
    store = PostgresSessions(fragile, RowAddresses())
    session = await stored(store, new_session())
    for number in range(CUTS):
        commit, message = _WAYS[number % len(_WAYS)]
        trap = proxy.trap(message, _ACTS[number // len(_WAYS) % len(_ACTS)])
        session = await commit(store, session)
        assert trap.sprung
    assert session == (await loaded(store, session)).session
    rows = await operator.execute(
        "SELECT version FROM session_events WHERE session_id = %s ORDER BY version", (session.id,)
    )
    assert list(range(1, session.version + 1)) == [version for (version,) in await rows.fetchall()]
    assert session.version > CUTS
