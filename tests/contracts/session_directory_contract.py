"""What every `SessionDirectory` promises, arranged through the `SessionStore` that it looks into."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec

from loyalty_core.domain.identifiers import ChannelId, ClientId, SessionId, TransactionId
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.domain.session_returns import attempt_return
from loyalty_core.ports.session_directory import SessionDirectory, SessionQuery
from loyalty_core.ports.session_store import SessionStore
from loyalty_core.ports.unit_of_work import SessionChange, UnitOfWork
from tests.contracts.sales import (
    a_quote,
    changed,
    new_session,
    owed,
    settled,
    store_now,
    stored,
    unit,
    with_return,
)

MINUTE: Final = timedelta(minutes=1)
EVERYWHERE: Final = ("*",)


class Shelf(NamedTuple):
    """A directory, and the store it looks into; empty at first."""

    directory: SessionDirectory
    store: SessionStore

    async def ended(self, status: SessionStatus = SessionStatus.FINALIZED, *, ago: timedelta, **fields: Any) -> Session:
        """A stored session that ended that way that long ago."""
        now = await store_now(self.store)
        begun = owed(begun_at=now - ago, next_attempt_at=now)
        begun = await stored(self.store, msgspec.structs.replace(begun, **fields))

        def end(session: Session) -> Session:
            if status is SessionStatus.CANCELLED:
                return session.cancel(now - ago)
            if status is SessionStatus.FAILED:
                return session.fail("no", now - ago)
            return msgspec.structs.replace(settled(session, now - ago), status=status)

        return await changed(self.store, begun, end, Cause.HOST_ACCEPTED)

    async def closed(self, client: ClientId, **query: Any) -> list[SessionId]:
        fields = {"channels": EVERYWHERE, **query}
        return [it.id for it in await self.directory.closed(SessionQuery(client=client, **fields))]


def a_client() -> ClientId:
    """One that no other test has."""
    return ClientId(f"client-{uuid4().hex}")


class SessionDirectoryContract:
    """Subclasses supply the fixture `shelf`."""

    async def test_what_is_parked_comes_longest_parked_first(self, shelf: Shelf) -> None:
        """Sales and returns alike, and no more than asked for; what the workers have in hand does not."""
        now = await store_now(shelf.store)
        sales = [
            await stored(shelf.store, owed(begun_at=now, next_attempt_at=None, parked_at=now - age * MINUTE))
            for age in (1, 3)
        ]
        sold = await shelf.ended(ago=MINUTE)
        returned = await changed(
            shelf.store,
            sold,
            lambda it: with_return(it, "R-1", next_attempt_at=None, parked_at=now - 2 * MINUTE),
            Cause.RETURN_INTENDED,
        )
        await stored(shelf.store, owed(begun_at=now, next_attempt_at=now))
        assert (sales[1], returned, sales[0]) == await shelf.directory.parked(10)
        assert (sales[1],) == await shelf.directory.parked(1)

    async def test_what_is_owed_comes_oldest_intent_first(self, shelf: Shelf) -> None:
        """Sales and returns alike, and no more than asked for; what is parked or settled does not."""
        now = await store_now(shelf.store)
        sales = [
            await stored(shelf.store, owed(begun_at=now - age * MINUTE, next_attempt_at=now + MINUTE)) for age in (1, 3)
        ]
        sold = await shelf.ended(ago=2 * MINUTE)
        returned = await changed(
            shelf.store, sold, lambda it: with_return(it, "R-1", next_attempt_at=now), Cause.RETURN_INTENDED
        )
        await stored(shelf.store, owed(begun_at=now, next_attempt_at=None, parked_at=now))
        assert (sales[1], returned, sales[0]) == await shelf.directory.owed(10)
        assert (sales[1],) == await shelf.directory.owed(1)
        parked = await changed(
            shelf.store,
            returned,
            lambda it: attempt_return(it, it.returns[0].id, it.returns[0].delivery.park(now)),
            Cause.PARKED,
        )
        assert [sale.id for sale in sales[::-1]] == [it.id for it in await shelf.directory.owed(10)]
        assert parked in await shelf.directory.parked(10)

    async def test_every_session_that_ever_had_a_key_is_found_by_it(self, shelf: Shelf) -> None:
        """The one that holds it and those that gave it back, the newest first; no other key's."""
        first = new_session()
        now = first.created_at
        history = [
            await changed(shelf.store, await stored(shelf.store, first), lambda it: it.cancel(now), Cause.CANCELLED)
        ]
        second = new_session(transaction=first.transaction, created_at=now + MINUTE, expires_at=now + 2 * MINUTE)
        history += [
            await changed(
                shelf.store, await stored(shelf.store, second), lambda it: it.expire(it.expires_at), Cause.EXPIRED
            )
        ]
        history += [await stored(shelf.store, new_session(transaction=first.transaction, created_at=now + 2 * MINUTE))]
        await stored(shelf.store, new_session())
        assert tuple(reversed(history)) == await shelf.directory.by_transaction(first.channel, first.transaction)
        assert () == await shelf.directory.by_transaction(ChannelId("POS-other"), first.transaction)
        assert () == await shelf.directory.by_transaction(first.channel, TransactionId("T-never-used"))

    async def test_the_timeline_tells_every_change(self, shelf: Shelf) -> None:
        """In order: what changed, why, in which trace, when."""
        session = new_session()
        before = await store_now(shelf.store)
        await shelf.store.commit(unit(None, session, Cause.IDENTIFIED))
        quoted = session.quoted(a_quote(), session.created_at)
        change = SessionChange(before=session, after=quoted, cause=Cause.QUOTED, detail="because")
        await shelf.store.commit(UnitOfWork(changes=(change,), trace_id="a" * 32))
        entries = await shelf.directory.timeline(session.id)
        assert [
            (1, None, SessionStatus.ACTIVE, "identified", None, None),
            (2, SessionStatus.ACTIVE, SessionStatus.CALCULATED, "quoted", "because", "a" * 32),
        ] == [(it.version, it.before, it.after, it.cause, it.detail, it.trace_id) for it in entries]
        assert before <= entries[0].at <= entries[1].at <= await store_now(shelf.store)
        assert () == await shelf.directory.timeline(new_session().id)

    async def test_a_clients_ended_sessions_come_in_the_order_in_which_they_ended(self, shelf: Shelf) -> None:
        """Whole, of every terminal status unless told which, its own alone; what has not ended does not come."""
        client = a_client()
        cancelled = await shelf.ended(SessionStatus.CANCELLED, ago=3 * MINUTE, client=client)
        returned = await shelf.ended(SessionStatus.PARTIALLY_RETURNED, ago=4 * MINUTE, client=client)
        failed = await shelf.ended(SessionStatus.FAILED, ago=MINUTE, client=client)
        sold = await shelf.ended(ago=2 * MINUTE, client=client)
        await shelf.ended(ago=2 * MINUTE, client=a_client())
        await stored(shelf.store, new_session(client=client))
        everything = await shelf.directory.closed(SessionQuery(client=client, channels=EVERYWHERE))
        assert (returned, cancelled, sold, failed) == everything
        some = (SessionStatus.FAILED, SessionStatus.FINALIZED)
        assert [sold.id, failed.id] == await shelf.closed(client, statuses=some)
        assert [failed.id] == await shelf.closed(client, statuses=some[:1])
        assert [] == await shelf.closed(client, statuses=(SessionStatus.RETURNED,))

    async def test_sessions_that_ended_before_a_time_are_left_out(self, shelf: Shelf) -> None:
        """The time itself counts in."""
        client = a_client()
        await shelf.ended(ago=3 * MINUTE, client=client)
        at_the_time = await shelf.ended(ago=2 * MINUTE, client=client)
        after = await shelf.ended(ago=MINUTE, client=client)
        assert [at_the_time.id, after.id] == await shelf.closed(client, settled_since=at_the_time.closed_at)

    async def test_pages_meet_and_do_not_overlap(self, shelf: Shelf) -> None:
        """Also among sessions that ended at the same moment, which come by their ids."""
        client = a_client()
        now = await store_now(shelf.store)
        everything = []
        for _ in range(3):
            for status in (SessionStatus.FINALIZED, SessionStatus.FAILED):
                ended = await shelf.ended(status, ago=MINUTE, client=client)
                everything.append(
                    await changed(
                        shelf.store,
                        ended,
                        lambda it: msgspec.structs.replace(it, version=it.version + 1, closed_at=now),
                        Cause.RETURN_SETTLED,
                    )
                )
        after: tuple[datetime, SessionId] | None = None
        pages = []
        while page := await shelf.directory.closed(
            SessionQuery(client=client, channels=EVERYWHERE, after=after, limit=2)
        ):
            pages.append([it.id for it in page])
            after = (now, page[-1].id)
        ids = sorted(it.id for it in everything)
        assert [ids[:2], ids[2:4], ids[4:]] == pages

    async def test_a_key_sees_its_own_channels_alone(self, shelf: Shelf) -> None:
        """Names and prefixes; an underscore or a dot is that, and nothing else."""
        client = a_client()
        by_channel = {
            channel: (await shelf.ended(ago=MINUTE, client=client, channel=ChannelId(channel))).id
            for channel in ("POS-1", "POS-12", "POS_1", "KIOSK.1", "KIOSKx1")
        }

        async def seen(*channels: str) -> set[str]:
            found = set(await shelf.closed(client, channels=channels))
            return {channel for channel, session in by_channel.items() if session in found}

        assert {"POS-1"} == await seen("POS-1")
        assert {"POS-1", "POS-12"} == await seen("POS-1*")
        assert {"POS_1"} == await seen("POS_*")
        assert {"KIOSK.1", "POS-12"} == await seen("KIOSK.*", "POS-12")
        assert set(by_channel) == await seen("*")
        assert set() == await seen("POS")
