"""The statements of one sale, as the database saw them, and how many each call sends.

PostgreSQL itself is asked to log what it executes while a few sales are made one after the other. So the figure for
round trips is what went over the wire, and the floors run the very text that the service runs, whatever it is by now.
"""

import re
import statistics
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, LiteralString

import msgspec
import psycopg

_ENTRY: Final = re.compile(
    r"^(?:BENCH \S* )LOG:  (?:execute [^:]*|statement): (?P<text>.*(?:\n\t.*)*)"
    r"(?:\nBENCH \S* DETAIL:  [Pp]arameters: (?P<parameters>.*))?",
    re.MULTILINE,
)
_PARAMETER: Final = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_ADDRESS: Final = re.compile(r"\(\d+,\d+\)")
_TAKEN_AT: Final = re.compile(r'(?<="at":")[^"]+')
_OURS: Final = re.compile(r"session|snapshot")
_BACKGROUND: Final = re.compile(r"\bcount\(|\bowed_next_at <|\bnextval\b|\bset_config\b")
"""What the service does beside its calls, now and then: look at its queue, draw the next block of receipt numbers."""
_LOG_ALL: Final[Sequence[LiteralString]] = (
    "ALTER SYSTEM SET log_line_prefix = 'BENCH %a '",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SELECT pg_reload_conf()",
)
_LOG_NO_MORE: Final[Sequence[LiteralString]] = (
    "ALTER SYSTEM RESET log_line_prefix",
    "ALTER SYSTEM RESET log_statement",
    "SELECT pg_reload_conf()",
)

SLOTS: Final = ("session", "session_hex", "transaction", "customer", "host_session", "address", "now")
"""What differs from one sale to the next; each stands in a parameter as `mark(name)`."""


class Statement(msgspec.Struct, frozen=True):
    """One statement with its parameters as text; None is NULL."""

    text: str
    parameters: list[str | None]


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one sale send to the database."""

    statements: dict[str, list[Statement]]
    """By call, in order."""
    round_trips: dict[str, float]
    """By call: the median over several sales."""


def mark(slot: str) -> str:
    """The characters that stand for `slot` in a captured parameter."""
    return f"\x02{slot}\x03"


class SeenCall(msgspec.Struct, frozen=True):
    """What was executed during one call."""

    statements: list[Statement]


class StatementLog:
    """The end of the server's log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def skip(self) -> None:
        """Forget what is there by now."""
        self._read = self._path.stat().st_size

    def seen(self) -> SeenCall:
        """What was executed for calls since the last look."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            written = log.read().decode(errors="replace")
        self.skip()
        return SeenCall([entry for entry in _entries(written) if _is_of_a_call(entry)])


def _entries(written: str) -> Iterator[Statement]:
    for found in _ENTRY.finditer(written):
        parameters = {
            int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
            for number, value in _PARAMETER.findall(found["parameters"] or "")
        }
        text = found["text"].replace("\n\t", "\n")
        yield Statement(text, [parameters[number] for number in sorted(parameters)])


def _is_of_a_call(statement: Statement) -> bool:
    return bool(_OURS.search(statement.text)) and not _BACKGROUND.search(statement.text)


@asynccontextmanager
async def statements_logged(database_url: str, log: Path) -> AsyncIterator[StatementLog]:
    """The server logs every statement for as long as the block runs."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        for statement in _LOG_ALL:
            await connection.execute(statement)
        try:
            yield StatementLog(log)
        finally:
            for statement in _LOG_NO_MORE:
                await connection.execute(statement)


def captured_from(calls: Mapping[str, Sequence[SeenCall]], names: Sequence[Mapping[str, str]]) -> Captured:
    """The typical sale among several. `names` are the values of each sale's slots, in the order of its calls.

    Raises:
        RuntimeError: no sale was typical in all of its calls, or one of them sent nothing.
    """
    if not names:
        raise RuntimeError("the server's log shows no statements of calls")
    trips = {call: statistics.median(len(each.statements) for each in seen) for call, seen in calls.items()}
    if not all(trips.values()):
        raise RuntimeError(f"calls without a statement in the server's log: {trips}")
    for number, slots in enumerate(names):
        sale = {call: seen[number].statements for call, seen in calls.items()}
        if all(len(statements) == trips[call] for call, statements in sale.items()):
            marked = {call: [_marked(each, slots) for each in statements] for call, statements in sale.items()}
            return Captured(statements=marked, round_trips=trips)
    raise RuntimeError(f"no sale sent what is typical of each call: {trips}")


def _marked(statement: Statement, slots: Mapping[str, str]) -> Statement:
    return Statement(
        statement.text, [None if value is None else _with_marks(value, slots) for value in statement.parameters]
    )


def _with_marks(value: str, slots: Mapping[str, str]) -> str:
    if _ADDRESS.fullmatch(value):
        return mark("address")
    for slot, text in slots.items():
        value = value.replace(text, mark(slot))
    return _TAKEN_AT.sub(mark("now"), value)


def filled(template: str | None, slots: Mapping[str, str]) -> str | None:
    """A captured parameter with the values of another sale."""
    if template is None or "\x02" not in template:
        return template
    for slot, text in slots.items():
        template = template.replace(mark(slot), text)
    return template
