"""Moves a session to the archive, as an operator's own SQL would."""

import psycopg

from loyalty_core.domain.session import Session

_COLUMNS = (
    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = 'sessions'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
)


async def archive(operator: psycopg.AsyncConnection, session: Session) -> None:
    """The session, its key, its timeline and its returns."""
    (columns,) = await (await operator.execute(_COLUMNS)).fetchone() or ("",)
    identity = (session.id,)
    async with operator.transaction():
        move = f"INSERT INTO sessions_archive ({columns}) SELECT {columns} FROM sessions WHERE id = %s"  # noqa: S608 - names from the catalogue
        await operator.execute(move.encode(), identity)
        await operator.execute(
            "INSERT INTO archived_transactions SELECT channel_id, transaction_id, id FROM sessions WHERE id = %s",
            identity,
        )
        await operator.execute("DELETE FROM sessions WHERE id = %s", identity)
        await operator.execute(
            "WITH moved AS (DELETE FROM session_events WHERE session_id = %s RETURNING *)"
            " INSERT INTO session_events_archive SELECT * FROM moved",
            identity,
        )
        await operator.execute(
            "WITH moved AS (DELETE FROM returns WHERE session_id = %s RETURNING *)"
            " INSERT INTO returns_archive SELECT * FROM moved",
            identity,
        )
