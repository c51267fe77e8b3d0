"""Names for SQL statements: what they do and to which table, and nothing else of them."""

import re
from typing import Final, NamedTuple

_CHANGE: Final = re.compile(r"\b(INSERT INTO|(?<!FOR )(?<!DO )UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
_SOURCE: Final = re.compile(r"\b(?:FROM|JOIN)\s+(?!(?:AS|LATERAL|ONLY)\b)(\w+)", re.IGNORECASE)
_FIRST_WORD: Final = re.compile(r"\s*(\w+)")
_INNERMOST: Final = re.compile(r"\([^()]*\)")


class Operation(NamedTuple):
    """A statement as a span shows it."""

    name: str
    attributes: dict[str, str]


def operation_of(statement: str) -> Operation:
    """`SELECT session_rows`, `UPDATE sessions`, ...; of several changes in one statement the first."""
    word = _FIRST_WORD.match(statement)
    verb = "" if word is None else word[1].upper()
    if verb in {"WITH", "INSERT", "UPDATE", "DELETE"}:
        change = _CHANGE.search(statement)
        if change is not None:
            return _named(change[1].split()[0].upper(), change[2])
        verb = "SELECT"
    source = _SOURCE.search(_without_parentheses(statement)) if verb == "SELECT" else None
    return _named(verb, None if source is None else source[1])


def _named(verb: str, table: str | None) -> Operation:
    attributes = {"db.system.name": "postgresql", "db.operation.name": verb}
    if table is None:
        return Operation(verb, attributes)
    return Operation(f"{verb} {table}", {**attributes, "db.collection.name": table})


def _without_parentheses(statement: str) -> str:
    """The outermost level alone: what is in parentheses says nothing about what the statement is about."""
    while True:
        shorter = _INNERMOST.sub(" ", statement)
        if shorter == statement:
            return statement
        statement = shorter
