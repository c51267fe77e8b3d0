"""What every `SessionStore` promises, arranged and inspected through the port alone."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.identifiers import ClientId, SessionId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause, Session, SessionStatus
from loyalty_core.ports.session_store import KeyTaken, SessionStore, StaleSession
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, Lane, SessionChange, StoredAnswer, UnitOfWork
from tests.contracts.histories import histories
from tests.contracts.sales import HOUR, a_quote, changed, loaded, new_session, store_now, stored, unit

_MANY = settings(
    max_examples=15,
    deadline=None,
    # Every example makes a session of its own, so the store need not be a new one.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _answer(body: bytes, call: Call = Call.IDENTIFY) -> StoredAnswer:
    return StoredAnswer(call=call, body=body)


def _requoted(session: Session) -> Session:
    return session.quoted(a_quote(), session.created_at)


class SessionStoreContract:
    """Subclasses supply the fixture `store`."""

    async def test_a_session_that_was_never_stored_is_not_found(self, store: SessionStore) -> None:
        """An unknown id is None, and an unknown key is held by nobody."""
        session = new_session()
        assert await store.find(session.id) is None
        assert (await store.find_by_key(session.channel, session.transaction)).holder is None

    async def test_what_a_caller_may_not_see_is_not_found(self, store: SessionStore) -> None:
        """Another client's session, or one of a channel the key may not use, is none; the caller's own is found."""
        session = await stored(store, new_session())
        for client, channel in (("other", "*"), (session.client, "KIOSK-*")):
            assert await store.find(session.id, seen_by=Caller(ClientId(client), (channel,))) is None
        found = await store.find(session.id, seen_by=Caller(session.client, ("POS-*",)))
        assert found is not None
        assert session == found.session

    async def test_the_clock_is_aware_and_moves_forward(self, store: SessionStore) -> None:
        """Every read brings the store's time in UTC, and a later read no earlier one."""
        first = await store_now(store)
        second = (await loaded(store, await stored(store, new_session()))).now
        assert timedelta(0) == first.utcoffset()
        assert first <= second <= await store_now(store)

    @pytest.mark.parametrize("status", list(SessionStatus))
    @given(data=st.data())
    @_MANY
    async def test_reads_back_exactly_what_was_written(
        self, store: SessionStore, status: SessionStatus, data: st.DataObject
    ) -> None:
        """Each version of a session reads back equal, to the spelling of its amounts, in every state there is."""
        history = data.draw(histories(status))
        for change in history:
            await store.commit(UnitOfWork(changes=(change,)))
            found = (await loaded(store, change.after)).session
            assert change.after == found
            assert msgspec.json.encode(change.after) == msgspec.json.encode(found)
        assert status == history[-1].after.status

    async def test_a_stale_version_is_refused_and_nothing_of_the_unit_is_written(self, store: SessionStore) -> None:
        """A change made from a version that is no longer the stored one leaves no trace: no answer, no snapshot."""
        first = await stored(store, new_session())
        second = await changed(
            store, first, lambda session: session.quoted(a_quote(), session.created_at), Cause.QUOTED
        )
        snapshot = CustomerSnapshot(member=Member(first.customer, "Gold"), at=first.created_at)
        late = SessionChange(before=first, after=first.cancel(first.created_at), cause=Cause.CANCELLED)
        with pytest.raises(StaleSession):
            await store.commit(UnitOfWork(changes=(late,), answer=_answer(b"late"), snapshot=snapshot))
        found = await loaded(store, first)
        assert (second, {}) == (found.session, found.answers)
        assert await store.find_snapshot(first.customer) is None

    async def test_a_change_of_a_session_that_is_gone_is_stale(self, store: SessionStore) -> None:
        """What was never stored cannot be changed."""
        session = new_session()
        with pytest.raises(StaleSession):
            await store.commit(unit(session, session.cancel(session.created_at), Cause.CANCELLED))

    async def test_a_held_key_is_refused(self, store: SessionStore) -> None:
        """A second session of the same channel and transaction is not written, nor is anything with it."""
        holder = await stored(store, new_session())
        rival = new_session(transaction=holder.transaction)
        with pytest.raises(KeyTaken):
            await store.commit(unit(None, rival, Cause.IDENTIFIED, answer=_answer(b"rival")))
        assert await store.find(rival.id) is None
        probe = await store.find_by_key(holder.channel, holder.transaction)
        assert probe.holder is not None
        assert (holder, {}) == (probe.holder.session, probe.holder.answers)

    async def test_the_same_session_cannot_be_opened_twice(self, store: SessionStore) -> None:
        """A new session whose id is taken is refused, and the stored one stays."""
        session = await stored(store, new_session())
        with pytest.raises(KeyTaken):
            await stored(store, msgspec.structs.replace(session, tier="Silver"))
        assert session == (await loaded(store, session)).session

    async def test_another_channel_has_keys_of_its_own(self, store: SessionStore) -> None:
        """A transaction id may be used once in each channel."""
        first = await stored(store, new_session())
        other = await stored(store, new_session(transaction=first.transaction, channel="POS-2"))
        probe = await store.find_by_key(other.channel, other.transaction)
        assert probe.holder is not None
        assert other == probe.holder.session

    async def test_a_cancelled_session_gives_its_key_back(self, store: SessionStore) -> None:
        """Nobody holds the key of a cancelled session, and another may take it."""
        first = await stored(store, new_session())
        await changed(store, first, lambda session: session.cancel(session.created_at), Cause.CANCELLED)
        assert (await store.find_by_key(first.channel, first.transaction)).holder is None
        second = await stored(store, new_session(transaction=first.transaction))
        probe = await store.find_by_key(first.channel, first.transaction)
        assert probe.holder is not None
        assert second == probe.holder.session

    async def test_an_expired_session_holds_its_key_until_it_is_retired(self, store: SessionStore) -> None:
        """One that is past its time is still found by its key; once it is marked expired it is not."""
        first = await stored(store, new_session(expires_at=new_session().created_at - HOUR))
        assert (await store.find_by_key(first.channel, first.transaction)).holder is not None
        await changed(store, first, lambda session: session.expire(session.created_at), Cause.EXPIRED)
        assert (await store.find_by_key(first.channel, first.transaction)).holder is None

    async def test_an_old_session_is_retired_and_replaced_in_one_unit(self, store: SessionStore) -> None:
        """The key passes from the old session to the new one; the answer belongs to the unit's last session."""
        old = await stored(store, new_session(expires_at=new_session().created_at - HOUR))
        new = new_session(transaction=old.transaction)
        retired = SessionChange(before=old, after=old.expire(old.created_at), cause=Cause.EXPIRED)
        opened = SessionChange(before=None, after=new, cause=Cause.IDENTIFIED)
        await store.commit(UnitOfWork(changes=(retired, opened), answer=_answer(b"new")))
        probe = await store.find_by_key(old.channel, old.transaction)
        assert probe.holder is not None
        assert (new, {Call.IDENTIFY: b"new"}) == (probe.holder.session, probe.holder.answers)
        found = await loaded(store, old)
        assert (SessionStatus.FAILED, {}) == (found.session.status, found.answers)

    async def test_a_unit_is_written_whole_or_not_at_all(self, store: SessionStore) -> None:
        """Where one change of a unit is refused, the others are not written either."""
        old, holder = await stored(store, new_session()), await stored(store, new_session())
        retired = SessionChange(before=old, after=old.cancel(old.created_at), cause=Cause.SUPERSEDED)
        refused = SessionChange(before=None, after=new_session(transaction=holder.transaction), cause=Cause.IDENTIFIED)
        with pytest.raises(KeyTaken):
            await store.commit(UnitOfWork(changes=(retired, refused)))
        assert old == (await loaded(store, old)).session

    @pytest.mark.parametrize("status", list(SessionStatus))
    @given(data=st.data())
    @_MANY
    async def test_several_changes_of_a_session_may_be_one_unit(
        self, store: SessionStore, status: SessionStatus, data: st.DataObject
    ) -> None:
        """A whole life in two units reads back as one in as many as it had changes."""
        opening, *rest = data.draw(histories(status))
        await store.commit(UnitOfWork(changes=(opening,)))
        if rest:
            await store.commit(UnitOfWork(changes=tuple(rest), lane=Lane.OUTCOME))
            assert msgspec.json.encode(rest[-1].after) == msgspec.json.encode(
                (await loaded(store, opening.after)).session
            )
            with pytest.raises(StaleSession):
                await store.commit(UnitOfWork(changes=tuple(rest), lane=Lane.OUTCOME))

    async def test_outcomes_that_come_together_stand_alone(self, store: SessionStore) -> None:
        """Of many commits at once each writes its session, answer and snapshot, or is refused, by itself."""
        sessions = [await stored(store, new_session()) for _ in range(40)]
        customer = sessions[0].customer
        for overtaken in sessions[::4]:
            await changed(store, overtaken, lambda session: session.cancel(session.created_at), Cause.CANCELLED)

        async def settle(number: int, before: Session) -> None:
            change = SessionChange(before=before, after=_requoted(before), cause=Cause.QUOTED)
            taken = CustomerSnapshot(member=Member(customer, f"T{number}"), at=before.created_at + number * HOUR)
            answer = _answer(b"\xff%d" % number, Call.FINALIZE)
            await store.commit(UnitOfWork(changes=(change,), lane=Lane.OUTCOME, answer=answer, snapshot=taken))

        works = [settle(number, session) for number, session in enumerate(sessions)]
        refused = await asyncio.gather(*works, return_exceptions=True)
        for number, session in enumerate(sessions):
            found = await loaded(store, session)
            if number % 4 == 0:
                assert isinstance(refused[number], StaleSession)
                assert (SessionStatus.CANCELLED, {}) == (found.session.status, found.answers)
            else:
                assert refused[number] is None
                assert SessionStatus.CALCULATED is found.session.status
                assert {Call.FINALIZE: b"\xff%d" % number} == found.answers
        snapshot = await store.find_snapshot(customer)
        assert snapshot is not None
        assert "T39" == snapshot.member.tier

    async def test_answers_of_record_come_back_byte_for_byte(self, store: SessionStore) -> None:
        """Each call's answer is kept beside the session; a later one of the same call takes the earlier one's place."""
        session = new_session()
        await store.commit(unit(None, session, Cause.IDENTIFIED, answer=_answer(b'{"a": 1.50}\x00\xff')))
        quoted = session.quoted(a_quote(), session.created_at)
        await store.commit(unit(session, quoted, Cause.QUOTED, answer=_answer(b"202", Call.FINALIZE)))
        again = quoted.quoted(a_quote(), session.created_at)
        await store.commit(unit(quoted, again, Cause.QUOTED, answer=_answer(b"200", Call.FINALIZE)))
        answers = {Call.IDENTIFY: b'{"a": 1.50}\x00\xff', Call.FINALIZE: b"200"}
        assert answers == (await loaded(store, session)).answers
        probe = await store.find_by_key(session.channel, session.transaction)
        assert probe.holder is not None
        assert answers == probe.holder.answers

    async def test_the_newest_snapshot_of_a_customer_stands(self, store: SessionStore) -> None:
        """A snapshot taken earlier does not replace one taken later, whichever is written first."""
        first = new_session()
        customer, at = first.customer, first.created_at
        assert await store.find_snapshot(customer) is None
        new = CustomerSnapshot(member=Member(customer, "Gold", "Ada", 7), at=at)
        old = CustomerSnapshot(member=Member(customer, None, None, None), at=at - HOUR)
        for snapshot in (old, new, old):
            change = SessionChange(before=None, after=new_session(customer=customer), cause=Cause.IDENTIFIED)
            await store.commit(UnitOfWork(changes=(change,), snapshot=snapshot))
        assert new == await store.find_snapshot(customer)

    @pytest.mark.parametrize("lane", list(Lane))
    async def test_of_many_writers_of_one_version_exactly_one_wins(self, store: SessionStore, lane: Lane) -> None:
        """Twelve change the same version at once: one is written, the other eleven are told that they are stale."""
        first = await stored(store, new_session())
        rivals = [first.quoted(a_quote(f"{n}.00"), first.created_at) for n in range(1, 13)]
        outcomes = await asyncio.gather(
            *(store.commit(unit(first, rival, Cause.QUOTED, lane=lane)) for rival in rivals), return_exceptions=True
        )
        winners = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
        assert [StaleSession] * 11 == [type(outcome) for outcome in outcomes if outcome is not None]
        assert winners == [(await loaded(store, first)).session]

    async def test_of_many_sessions_for_one_key_exactly_one_wins(self, store: SessionStore) -> None:
        """Twelve sessions want the same key at once: one gets it, the other eleven are told that it is taken."""
        first = new_session()
        rivals = [first, *(new_session(transaction=first.transaction) for _ in range(11))]
        outcomes = await asyncio.gather(*(stored(store, rival) for rival in rivals), return_exceptions=True)
        winners = [outcome for outcome in outcomes if isinstance(outcome, Session)]
        assert [KeyTaken] * 11 == [type(outcome) for outcome in outcomes if not isinstance(outcome, Session)]
        probe = await store.find_by_key(first.channel, first.transaction)
        assert probe.holder is not None
        assert [probe.holder.session] == winners

    async def test_units_over_the_same_sessions_never_block_each_other_for_good(self, store: SessionStore) -> None:
        """Units that name the same two sessions in opposite orders all end, and every one that was told yes counts."""
        pair = [await stored(store, new_session()) for _ in range(2)]

        async def write(order: list[SessionId]) -> None:
            while True:
                found = [found for identifier in order if (found := await store.find(identifier)) is not None]
                changes = tuple(
                    SessionChange(before=one.session, after=_requoted(one.session), cause=Cause.QUOTED) for one in found
                )
                try:
                    return await store.commit(UnitOfWork(changes=changes))
                except StaleSession:
                    continue

        identifiers = [session.id for session in pair]
        orders = [identifiers, identifiers[::-1]] * 4
        await asyncio.gather(*(write(order) for order in orders))
        assert [1 + len(orders)] * 2 == [(await loaded(store, session)).session.version for session in pair]
