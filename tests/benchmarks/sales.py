"""The sales that are made: what a POS sends, what it expects, and what it heard, as the ledger check takes it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tests.benchmarks.captured import Captured, SeenCall, captured_from, statements_logged
from tests.benchmarks.stack import CHANNEL, HOST, Stack
from tests.benchmarks.terminals import SESSION, Heard, Report, Request
from tests.faults.ledger_check import Observation, Sale
from tests.faults.till import Till
from tests.pdi import Pdi

CALLS: Final = ("identify", "calculateRewards", "finalize", "getSessionStatus")
CUSTOMERS: Final = 1000
"""How many of PDI's seeded customers take turns."""
_AMOUNT: Final = "150.00"
_ITEMS: Final = (
    '[{"sku":"SKU-001","qty":2,"unitPrice":60.00,"category":"grocery"},'
    '{"sku":"SKU-002","qty":1,"unitPrice":30.00,"category":"bakery"}]'
)
_SAMPLES: Final = 15
_UNTIL_STEADY: Final = 60


def transaction(prefix: str, number: int) -> str:
    """The transaction id of a sale."""
    return f"{prefix}-{number}"


def customer(number: int) -> str:
    """Whose sale it is."""
    return f"LOAD-{number % CUSTOMERS}"


def request(call: str, prefix: str, number: int, session: str = SESSION) -> Request:
    """One call of one sale."""
    sale = transaction(prefix, number)
    match call:
        case "identify":
            body = f'{{"customerId":"{customer(number)}","channelId":"{CHANNEL}","transactionId":"{sale}"}}'
        case "calculateRewards":
            body = f'{{"sessionId":"{session}","transactionAmount":{_AMOUNT},"items":{_ITEMS}}}'
        case "finalize":
            body = f'{{"sessionId":"{session}","transactionId":"{sale}","finalAmount":{_AMOUNT},"applyRewards":true}}'
        case _:
            return Request(f"/{call}?sessionId={session}")
    return Request(f"/{call}", body)


def whole_sales(prefix: str, count: int) -> list[list[Request]]:
    """Sales of three calls each."""
    return [[request(call, prefix, number) for call in CALLS[:3]] for number in range(count)]


def observations(prefix: str, calls: Sequence[str], reports: Iterable[Report]) -> list[Observation]:
    """What was heard, for the ledger check. `calls` names the calls of each sale, in their order."""
    return [_observation(prefix, calls[heard.call], heard) for report in reports for heard in report.heard]


def _observation(prefix: str, call: str, heard: Heard) -> Observation:
    body: dict[str, Any] | None = json.loads(heard.body) if heard.body else None
    code = body.get("code") if body is not None and heard.status >= 400 else None
    return Observation(Sale(CHANNEL, transaction(prefix, heard.sale)), call, heard.status or None, code, body)


async def capture(stack: Stack, prefix: str) -> Captured:
    """Make sales one by one and read off the server's log what each call executed.

    Raises:
        RuntimeError: nothing can be made of the log.
    """
    calls: dict[str, list[SeenCall]] = {call: [] for call in CALLS}
    names: list[dict[str, str]] = []
    async with (
        statements_logged(stack.database_url, stack.postgres_log) as log,
        Till([f"http://{HOST}:{stack.subject.port}"], stack.subject.key, patience=30) as till,
    ):
        steady = 0
        for number in range(_UNTIL_STEADY):
            sent = {}
            session = ""
            for call in CALLS:
                log.skip()
                asked = request(call, prefix, number, session)
                heard = await till.call(asked.path[1:], json.loads(asked.body) if asked.body else None)
                sent[call] = log.seen()
                session = session or heard.json["sessionId"]
            # Each backend begins to log when it first has something to do after it was told.
            steady = steady + 1 if all(seen.statements for seen in sent.values()) else 0
            if steady > 1:
                for call, seen in sent.items():
                    calls[call].append(seen)
                names.append(await _names(stack.pdi, prefix, number, session))
            if len(names) == _SAMPLES:
                break
    return captured_from(calls, names)


async def _names(pdi: Pdi, prefix: str, number: int, session: str) -> dict[str, str]:
    """The values of a sale's slots; the longest names first, so that none is found within another."""
    sale = transaction(prefix, number)
    booked = [entry for entry in await pdi.ledger() if entry["transactionId"] == sale]
    hexadecimal = session.removeprefix("sess_")
    parts = (hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:])
    return {
        "session": "-".join(parts),
        "session_hex": hexadecimal,
        "host_session": booked[0]["pdiSessionId"],
        "transaction": sale,
        "customer": customer(number),
    }
