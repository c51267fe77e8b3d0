"""What every statement that reads sessions returns: the clock, two answers, the session, and where its row lies."""

from typing import Final

from loyalty_adapters.postgres.connections import Row
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_rows import SessionRow
from loyalty_core.ports.session_store import Loaded
from loyalty_core.ports.unit_of_work import Call

SESSION_ID: Final = 3
"""The column with the session's id; NULL where an outer join found no session."""
_ADDRESS: Final = -1


def loaded(row: Row, addresses: RowAddresses) -> Loaded:
    """The session of a row, and a note of its address for the write that may follow."""
    stored = SessionRow._make(row[SESSION_ID:_ADDRESS])
    session = stored.session()
    if not stored.archived:
        addresses.note(session.id, session.version, row[_ADDRESS])
    bodies = {Call.IDENTIFY: row[1], Call.FINALIZE: row[2]}
    return Loaded(
        session=session,
        now=row[0],
        answers={call: body for call, body in bodies.items() if body is not None},
        archived=stored.archived,
    )
