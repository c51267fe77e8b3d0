import msgspec


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process uses its database. Times are seconds; every wait there is has one."""

    url: str
    """A libpq URL. It may carry a password, so the repr does not show it."""
    intake_connections: int = 16
    outcome_connections: int = 4
    """Reserved for what the host has already been asked, so that outcomes never queue behind new work."""
    waiting: int = 200
    """How many calls of a lane may wait for a connection; one more is turned away at once."""
    acquire_timeout: float = 0.5
    """The longest such a wait; then the call is turned away."""
    connect_timeout: int = 2
    """libpq takes whole seconds, and 2 is its least."""
    lock_timeout: float = 1.0
    """For a row that another transaction holds."""
    statement_timeout: float = 2.0
    """For one statement, by the server; the connection is cut a second later where the server says nothing at all."""
    commit_attempts: int = 10
    """How often a unit of work meets a conflict before its caller is told."""
    recovery_budget: float = 3.0
    """How long a commit whose answer was lost is looked for before its outcome is called unknown."""

    def __repr__(self) -> str:
        return f"PostgresSettings(intake={self.intake_connections}, outcome={self.outcome_connections})"
