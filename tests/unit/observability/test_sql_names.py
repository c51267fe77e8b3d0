from importlib import import_module
from typing import Final

import pytest

from loyalty_adapters.observability.sql_names import operation_of

_VERBS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"})
_MODULES: Final = ("sessions", "session_writes", "delivery_queue", "commits", "api_keys", "programs")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT 1", "SELECT"),
        ("\nSELECT (SELECT body FROM answers WHERE id = s.id), s.id\n  FROM session_rows s", "SELECT session_rows"),
        ("SELECT a FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT id FROM x) AS y ON true JOIN z ON true", "SELECT z"),
        ("SELECT id FROM sessions WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE", "SELECT sessions"),
        ("WITH c AS (INSERT INTO sessions (id) SELECT 1) SELECT 2", "INSERT sessions"),
        ("WITH c AS (UPDATE sessions SET a = 1 RETURNING id) SELECT * FROM c", "UPDATE sessions"),
        ("WITH due AS (SELECT 1 FROM s FOR UPDATE OF s SKIP LOCKED) UPDATE sessions s SET a = 1", "UPDATE sessions"),
        ("INSERT INTO snapshots VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", "INSERT snapshots"),
        ("DELETE FROM idempotency_answers WHERE true", "DELETE idempotency_answers"),
        ("WITH a AS (SELECT 1 FROM b) SELECT * FROM a", "SELECT a"),
        ("VACUUM", "VACUUM"),
        ("", ""),
    ],
)
def test_a_statement_is_named_by_what_it_does(statement: str, name: str) -> None:
    """Verb and table, of the outermost level, and of the first change where there are several."""
    assert name == operation_of(statement).name


def test_no_statement_of_ours_is_left_nameless() -> None:
    """Every SQL constant of the database adapter gets a verb, and no name holds anything but a verb and a table."""
    statements = [
        value
        for module in _MODULES
        for name, value in vars(import_module(f"loyalty_adapters.postgres.{module}")).items()
        if name.isupper() and isinstance(value, str) and value.strip().partition(" ")[0] in _VERBS
    ]
    assert len(statements) >= 10
    for statement in statements:
        verb, _, table = operation_of(statement).name.partition(" ")
        assert verb in _VERBS - {"WITH"}, statement
        assert not table or table.isidentifier()
