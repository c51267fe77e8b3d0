"""Archived sessions are found as if they were live, and their keys stay taken."""

import msgspec
import psycopg
import pytest

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.personal_data import PostgresPersonalData
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.session import Cause, Session
from loyalty_core.ports.session_store import KeyTaken, StaleSession
from tests.contracts.sales import (
    a_quote,
    changed,
    loaded,
    new_session,
    owed,
    settled,
    store_now,
    stored,
    unit,
    with_return,
)
from tests.integration.postgres.archiving import archive


@pytest.fixture
def store(connections: Connections) -> PostgresSessions:
    return PostgresSessions(connections, RowAddresses())


@pytest.fixture
async def archived(store: PostgresSessions, operator: psycopg.AsyncConnection) -> Session:
    """A settled sale that has been moved to the archive."""
    now = await store_now(store)
    sale = await stored(store, owed(begun_at=now, next_attempt_at=now))
    sale = await changed(store, sale, lambda session: settled(session, now), Cause.HOST_ACCEPTED)
    await archive(operator, sale)
    return sale


async def test_an_archived_session_is_found(store: PostgresSessions, archived: Session) -> None:
    """By its id and by its key, equal to what it was, and marked as archived."""
    found = await loaded(store, archived)
    assert (archived, True) == (found.session, found.archived)
    probe = await store.find_by_key(archived.channel, archived.transaction)
    assert probe.holder is not None
    assert (archived, True) == (probe.holder.session, probe.holder.archived)


async def test_an_archived_key_stays_taken(store: PostgresSessions, archived: Session) -> None:
    """No new session gets the key of an archived sale, also where nobody has looked for it first."""
    with pytest.raises(KeyTaken):
        await stored(store, new_session(transaction=archived.transaction))


async def test_a_return_brings_an_archived_sale_back(
    store: PostgresSessions, archived: Session, operator: psycopg.AsyncConnection
) -> None:
    """A change of an archived session is written; the session is live again, whole, with its timeline and its key."""
    now = await store_now(store)
    after = with_return(archived, "R-1", next_attempt_at=now)
    await store.commit(unit(archived, after, Cause.RETURN_INTENDED))
    found = await loaded(store, archived)
    assert (after, False) == (found.session, found.archived)
    rows = await operator.execute(
        "SELECT (SELECT array_agg(version ORDER BY version) FROM session_events WHERE session_id = %(id)s),"
        " (SELECT count(*) FROM archived_transactions WHERE session_id = %(id)s)",
        {"id": archived.id},
    )
    assert ([2, 3, 4], 0) == await rows.fetchone()
    with pytest.raises(KeyTaken):
        await stored(store, new_session(transaction=archived.transaction))


async def test_a_stale_change_leaves_the_archive_alone(store: PostgresSessions, archived: Session) -> None:
    """A change that was made from another version is refused, and the session stays archived."""
    stale = msgspec.structs.replace(archived, version=archived.version - 1)
    with pytest.raises(StaleSession):
        await store.commit(unit(stale, archived, Cause.HOST_ACCEPTED))
    assert (await loaded(store, archived)).archived


async def test_names_are_erased_in_the_archive_too(
    store: PostgresSessions, connections: Connections, archived: Session
) -> None:
    """Forgetting a customer reaches what was archived."""
    live = await stored(store, new_session(customer=archived.customer))
    live = await changed(store, live, lambda it: it.quoted(a_quote(), it.created_at), Cause.QUOTED)
    assert 2 == await PostgresPersonalData(connections).forget(archived.customer)
    for session in (live, archived):
        assert (await loaded(store, session)).session.opening.name is None
