"""Waiting until the server says that something is so, instead of for a time in which it should be."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = 5.0) -> None:
    """Return as soon as `condition` holds; fail where it does not in time."""
    async with asyncio.timeout(within):
        held = await condition()
        while not held:
            await asyncio.sleep(0.01)
            held = await condition()


async def waiting_for_locks(operator: psycopg.AsyncConnection, *, at_least: int = 1) -> bool:
    """Whether so many backends of this database wait for another's lock."""
    rows = await operator.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    found = await rows.fetchone()
    return found is not None and int(found[0]) >= at_least
