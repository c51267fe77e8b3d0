"""The plans of the jobs' statements, as the service has them made, on the database as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from loyalty_adapters.postgres import answer_records, reconciliation, session_archive, session_sweep
from loyalty_adapters.postgres.archive_moves import PUT_AWAY
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.settings import PostgresSettings

_NOBODY: Final = UUID(int=0)
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SMALL: Final = 1000
"""Rows of a table that may be read from end to end."""


def _statements(now: datetime) -> dict[str, tuple[LiteralString, dict[str, Any]]]:
    month_ago, day_ago = now - timedelta(days=30), now - timedelta(days=1)
    steps = {"after_at": day_ago, "after_id": _NOBODY, "until": now, "limit": 100}
    open_ones = {"after": _NOBODY, "owed_before": day_ago, "checked_before": day_ago, "limit": 100}
    archive = {"after": _LONG_AGO, "before": month_ago, "limit": 500, "page": 50_000}
    return {
        "expire-sessions, count": (session_sweep._COUNT, {"before": now}),
        "expire-sessions, batch": (session_sweep._EXPIRE, {"before": now, "limit": 250, "trace_id": None}),
        "archive-finalized, count": (session_archive._COUNT, archive),
        "archive-finalized, next": (session_archive._NEXT, archive),
        "archive-finalized, move": (PUT_AWAY, {"ids": [_NOBODY], "before": month_ago}),
        "clear-cache, count": (answer_records._COUNT, {"before": now}),
        "clear-cache, batch": (answer_records._CLEAR, {"before": now, "limit": 1000}),
        "reconcile, steps": (reconciliation._STEPS + reconciliation._SESSIONS, steps),
        "reconcile, left open": (reconciliation._LEFT_OPEN + reconciliation._SESSIONS, open_ones),
    }


async def plans(url: str) -> dict[str, tuple[list[str], list[str]]]:
    """Of each statement: the steps of its plan that touch tables, and those that read a table that is not small."""
    found = {}
    async with Connections(PostgresSettings(url=url)) as connections, connections.intake.connection() as connection:
        rows = await connection.execute("SELECT relname::text, reltuples::int8 FROM pg_class")
        sizes: dict[str, int] = dict(await rows.fetchall())
        for name, (statement, parameters) in _statements(datetime.now(UTC)).items():
            explained = await connection.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
            (row,) = await explained.fetchall()
            (plan,) = msgspec.json.decode(row[0])
            nodes = [node for node in _nodes(plan["Plan"]) if "Scan" in node["Node Type"]]
            whole = [
                node["Relation Name"]
                for node in nodes
                if node["Node Type"] == "Seq Scan" and sizes.get(node["Relation Name"], 0) > _SMALL
            ]
            found[name] = (list(dict.fromkeys(filter(None, map(_described, nodes)))), whole)
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _described(node: dict[str, Any]) -> str:
    where = node.get("Index Name") or node.get("Relation Name")
    return "" if where is None else f"{node['Node Type']} {where}"
