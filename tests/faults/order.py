"""Whether sales of one customer were booked in the order in which they were made."""

from collections import defaultdict

from tests.faults.books import read_sessions
from tests.faults.stack import Stack


async def out_of_order(stack: Stack) -> int:
    """Bookings that overtook an older intent of the same customer."""
    intended = {row.key: row.intended_at for row in await read_sessions(stack.database_url)}
    latest: defaultdict[str, float] = defaultdict(float)
    overtaken = 0
    for entry in await stack.pdi.ledger():
        at = intended[entry["idempotencyKey"]]
        overtaken += at < latest[entry["customerId"]]
        latest[entry["customerId"]] = max(at, latest[entry["customerId"]])
    return overtaken
