"""What the database does for a statement of the queue: which indexes it takes, and how much it has to look at."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg

from loyalty_adapters.postgres import delivery_queue

CLAIM: Final = delivery_queue._CLAIM_DUE  # the very text that the workers send
DEPTH: Final = delivery_queue._DEPTH
CLAIM_PARAMETERS: Final[Mapping[str, Any]] = {
    "limit": 64,
    "lease": timedelta(seconds=15),
    "soon": timedelta(seconds=5),
}


class Plan(NamedTuple):
    """One run of a statement, undone afterwards."""

    scanned: tuple[str, ...]
    """Tables of the service that were read from end to end."""
    indexes: frozenset[str]
    blocks: int
    """Pages looked at, in all."""
    rows: int
    """Rows returned or changed."""


async def plan_of(database_url: str, statement: str, parameters: Mapping[str, Any]) -> Plan:
    """Run it as the workers do, and take it back."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute("SET LOCAL jit = off")
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        # Text of our own with EXPLAIN before it; psycopg asks for a literal.
        found = await (await connection.execute(explain.encode(), parameters)).fetchone()
        await connection.rollback()
    assert found is not None
    top = found[0][0]["Plan"]
    nodes = list(_nodes(top))
    return Plan(
        tuple(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        top["Actual Rows"],
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
