"""What the benchmarks fill a database with is what the service itself could have written."""

from itertools import pairwise

import psycopg
import pytest

from loyalty_adapters.postgres.archive_months import month_of
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import SETTLED, SessionStatus
from loyalty_core.ports.unit_of_work import Call
from loyalty_core.use_cases.answers import record
from loyalty_core.use_cases.session_answers import settled_answer
from tests.benchmarks.seed import seed


async def test_every_seeded_sale_reads_as_one_that_was_made(
    connections: Connections, database_url: str, operator: psycopg.AsyncConnection
) -> None:
    """Each decodes, has a whole timeline that ends where it stands, and is answered as it is rebuilt; all kinds occur.

    A second seed is refused.
    """
    await seed(database_url, 400, tell=lambda _: None)
    store, directory = PostgresSessions(connections, RowAddresses()), PostgresSessionDirectory(connections)
    statuses, answered, returned = set(), 0, 0
    for (row,) in await (await operator.execute("SELECT id FROM sessions")).fetchall():
        loaded = await store.find(SessionId(row))
        assert loaded is not None
        session = loaded.session
        statuses.add(session.status)
        returned += len(session.returns)
        timeline = await directory.timeline(session.id)
        assert list(range(1, session.version + 1)) == [entry.version for entry in timeline]
        assert all(before.at <= after.at and before.after == after.before for before, after in pairwise(timeline))
        assert session.status is timeline[-1].after
        assert (session.created_at.year, session.created_at.month) == month_of(session.id).timetuple()[:2]
        if session.status in SETTLED:
            answered += 1
            assert record(settled_answer(session)).body == loaded.answers[Call.FINALIZE]
    assert set(SessionStatus) == statuses
    assert answered > 0
    assert returned > 0
    with pytest.raises(ValueError, match="sessions in this database"):
        await seed(database_url, 400, tell=lambda _: None)
