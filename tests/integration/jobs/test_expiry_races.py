"""Expiry beside live calls: a session ends one way, and nobody waits for a batch."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import psycopg

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.session_sweep import PostgresSessionSweep
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.delivery import Delivery
from loyalty_core.domain.errors import SessionExpired
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.session_store import StaleSession
from tests.contracts.sales import a_quote, an_intent, loaded, new_session, store_now, stored, unit
from tests.integration.jobs.sessions import count, expired_sessions
from tests.integration.postgres.observing import eventually, waiting_for_locks

_SALES = 150
_SPREAD = timedelta(seconds=1.5)


async def test_a_sale_is_finalized_or_expired_and_never_both(
    connections: Connections, store: PostgresSessions, operator: psycopg.AsyncConnection
) -> None:
    """Sales are finalized about when their time runs out, while the job sweeps: each ends as its till was told."""
    sweep, now = PostgresSessionSweep(connections), await store_now(store)
    sales = [
        await stored(store, new_session(expires_at=now + timedelta(seconds=1) + _SPREAD * number / _SALES))
        for number in range(_SALES)
    ]
    endings, over = Counter[str](), asyncio.Event()

    async def sweep_on() -> None:
        while not over.is_set():
            await sweep.expire(await store_now(store), 20, None)

    async def sell(number: int, session: Session) -> None:
        # Some well before their time is over, some after it; every third decides before, and writes just then.
        left = (session.expires_at - await store_now(store)).total_seconds()
        await asyncio.sleep(max(0.0, left + 0.1 - number % 10 * 0.25))
        told = await _finalize(store, session, hold=number % 3 == 0)
        endings[told.value] += 1
        if told is SessionStatus.FAILED:  # judged expired by the call itself, or swept before it: the job comes by yet
            await eventually(lambda: _has(store, session, SessionStatus.FAILED), within=30)
        assert told is (await loaded(store, session)).session.status

    sweeping = asyncio.create_task(sweep_on())
    try:
        await asyncio.gather(*(sell(number, session) for number, session in enumerate(sales)))
    finally:
        over.set()
        await sweeping
    print(dict(endings))  # noqa: T201 - how the race came out
    assert min(endings["finalizing"], endings["failed"]) > 0
    assert endings["finalizing"] == await count(operator, "SELECT count(*) FROM sessions WHERE status = 'finalizing'")
    assert endings["failed"] == await count(operator, "SELECT count(*) FROM session_events WHERE cause = 'expired'")


async def _finalize(store: PostgresSessions, session: Session, *, hold: bool) -> SessionStatus:
    """What a till is told that finalizes the session, quoted on the spot: it decides again where others were faster.

    With `hold` it writes what it has decided when the session's time is just over.
    """
    while True:
        found = await loaded(store, session)
        current, now = found.session, found.now
        intent = an_intent(current, a_quote())
        try:
            after = current.begin_finalize(intent, Delivery(number=1, begun_at=now, next_attempt_at=now), now)
            if hold:
                await asyncio.sleep(max(0.0, (current.expires_at - await store_now(store)).total_seconds()))
            await store.commit(unit(current, after, Cause.FINALIZE_INTENDED))
        except SessionExpired:
            return SessionStatus.FAILED
        except StaleSession:
            continue
        return SessionStatus.FINALIZING


async def _has(store: PostgresSessions, session: Session, status: SessionStatus) -> bool:
    return (await loaded(store, session)).session.status is status


async def test_a_session_that_somebody_holds_is_not_waited_for(
    connections: Connections, store: PostgresSessions, operator: psycopg.AsyncConnection, database_url: str
) -> None:
    """The batch takes the others at once, and the one that was held the next time."""
    now: datetime = await store_now(store)
    held = await stored(store, new_session(expires_at=now - timedelta(hours=2)))
    await expired_sessions(operator, store, 10)
    sweep = PostgresSessionSweep(connections)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", (held.id,))
        assert 10 == await sweep.expire(now, 100, None)
        assert SessionStatus.ACTIVE is (await loaded(store, held)).session.status
        await holder.rollback()
    assert 1 == await sweep.expire(now, 100, None)


async def test_a_batch_that_meets_a_conflict_is_sent_again(
    connections: Connections, store: PostgresSessions, operator: psycopg.AsyncConnection, database_url: str
) -> None:
    """A batch that waits for a row which is then changed under it is refused by the server, and done all the same."""
    await expired_sessions(operator, store, 10)
    sweep, now = PostgresSessionSweep(connections), await store_now(store)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        # What a batch writes but does not skip: the timeline's key of one of its sessions.
        await holder.execute(
            "INSERT INTO session_events (session_id, version, change_id, to_status, cause)"
            " SELECT id, version + 1, gen_random_uuid(), 'active', 'quoted' FROM sessions"
            " WHERE open_until < now() LIMIT 1"
        )
        sweeping = asyncio.create_task(sweep.expire(now, 100, None))
        await eventually(lambda: waiting_for_locks(operator), within=30)
        await holder.rollback()
        assert 10 == await sweeping
