"""What every `PersonalData` promises."""

from typing import NamedTuple

import msgspec

from loyalty_core.domain.identifiers import CustomerId
from loyalty_core.domain.member import Member
from loyalty_core.domain.session import Cause
from loyalty_core.ports.personal_data import PersonalData
from loyalty_core.ports.session_store import SessionStore
from loyalty_core.ports.unit_of_work import Call, CustomerSnapshot, SessionChange, StoredAnswer, UnitOfWork
from tests.contracts.sales import a_quote, changed, loaded, new_session, stored


class Files(NamedTuple):
    """What is to be forgotten from, and the store it is kept in."""

    personal_data: PersonalData
    store: SessionStore


class PersonalDataContract:
    """Subclasses supply the fixture `files`."""

    async def test_a_stranger_has_no_sessions(self, files: Files) -> None:
        """Forgetting somebody unknown finds nothing, and that is no error."""
        assert 0 == await files.personal_data.forget(CustomerId("C-never-seen"))

    async def test_names_go_and_accounts_stay(self, files: Files) -> None:
        """Snapshot, name, notes and the answer that shows it are gone; version, points and all else are as before."""
        session = new_session(metadata={"note": "for Ada"})
        snapshot = CustomerSnapshot(member=Member(session.customer, "Gold", "Ada", 7), at=session.created_at)
        change = SessionChange(before=None, after=session, cause=Cause.IDENTIFIED)
        answer = StoredAnswer(call=Call.IDENTIFY, body=b"Ada")
        await files.store.commit(UnitOfWork(changes=(change,), answer=answer, snapshot=snapshot))
        assert 1 == await files.personal_data.forget(session.customer)
        opening = msgspec.structs.replace(session.opening, name=None)
        nameless = msgspec.structs.replace(session, opening=opening, metadata={})
        found = await loaded(files.store, session)
        assert (nameless, {}) == (found.session, found.answers)
        assert await files.store.find_snapshot(session.customer) is None

    async def test_others_are_left_alone(self, files: Files) -> None:
        """Only the customer named is forgotten."""
        forgotten, kept = await stored(files.store, new_session()), await stored(files.store, new_session())
        await files.personal_data.forget(forgotten.customer)
        assert kept == (await loaded(files.store, kept)).session

    async def test_a_sale_that_is_under_way_goes_on(self, files: Files) -> None:
        """A change made from the session as it was read before is still written, and brings no name back."""
        before = await stored(files.store, new_session())
        await files.personal_data.forget(before.customer)
        after = await changed(files.store, before, lambda it: it.quoted(a_quote(), it.created_at), Cause.QUOTED)
        found = (await loaded(files.store, before)).session
        assert (after.version, None) == (found.version, found.opening.name)
