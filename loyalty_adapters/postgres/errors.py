"""Driver errors become ours here, and only here."""

from typing import Final

import psycopg
from psycopg import errors

from loyalty_core.domain.errors import LoyaltyError, Overloaded, StorageUnavailable
from loyalty_core.ports.session_store import KeyTaken

_CONFLICTS: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    # Serializable transactions keep their reads in a table of fixed size; under load it fills, and empties again.
    errors.OutOfMemory,
    errors.LockNotAvailable,
)
_KEY: Final = "sessions_key"


class Conflict(Exception):
    """Another transaction was in the way; nothing was done, and the same statement may succeed the next time."""


class ConnectionLost(Exception):
    """The connection broke, or was silent for too long. What was sent on it may or may not have been done."""


class AlreadyThere(Exception):
    """A row with this primary key exists."""


class StorageRefused(LoyaltyError):
    """The database refused a statement of ours: a bug, or a schema that is not the one we were written for.

    It names the rule, never the row: the driver's own message quotes values, and they may be personal.
    """

    def __init__(self, sqlstate: str | None, constraint: str | None) -> None:
        super().__init__(f"the database refused a statement (SQLSTATE {sqlstate}, constraint {constraint})")
        self.sqlstate = sqlstate
        self.constraint = constraint


def translated(error: psycopg.Error, connection: psycopg.AsyncConnection) -> Exception:
    """What `error`, raised by a statement on `connection`, means to us.

    Only an error that left the connection usable proves that nothing was done.
    """
    if connection.closed or isinstance(error, (errors.AdminShutdown, errors.CrashShutdown, errors.IdleSessionTimeout)):
        return ConnectionLost()
    if isinstance(error, _CONFLICTS):
        return Conflict()
    if isinstance(error, errors.UniqueViolation):
        return KeyTaken() if error.diag.constraint_name == _KEY else AlreadyThere()
    if isinstance(error, errors.QueryCanceled):  # the statement's time ran out; that is judged before it commits
        return Overloaded()
    if isinstance(error, (errors.ReadOnlySqlTransaction, psycopg.OperationalError)):
        return StorageUnavailable()  # no space, a standby, a server that is shutting down: it will not write now
    return StorageRefused(error.sqlstate, error.diag.constraint_name)
