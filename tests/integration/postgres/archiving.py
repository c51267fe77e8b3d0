"""Moves sessions to the archive at once, however young they are, by the statement that the job uses."""

from datetime import timedelta

import psycopg

from loyalty_adapters.postgres.archive_months import month_of, months_at_hand
from loyalty_adapters.postgres.archive_moves import PUT_AWAY
from loyalty_core.domain.session import Session


async def archive(operator: psycopg.AsyncConnection, *sessions: Session) -> None:
    """The sessions, their keys, their timelines and their returns."""
    async with operator.transaction():
        await months_at_hand(operator, (month_of(session.id) for session in sessions))
    closed = [session.closed_at for session in sessions if session.closed_at is not None]
    going = {"ids": [session.id for session in sessions], "before": max(closed) + timedelta(microseconds=1)}
    async with operator.transaction():
        (moved, _, _) = await (await operator.execute(PUT_AWAY, going)).fetchone() or (0, 0, 0)
    assert len(sessions) == moved
