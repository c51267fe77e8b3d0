"""Where sessions are kept, and what may be held of it at once."""

from typing import Annotated

from loyalty_web.variables import Section, Variable


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """PostgreSQL."""

    url: Annotated[str, Variable(name="DATABASE_URL", secret=True, meaning="PostgreSQL: `postgresql://…`")]
    intake_connections: Annotated[
        int,
        Variable(name="DATABASE_CONNECTIONS", least=1, most=500, meaning="Connections of each process for new work"),
    ] = 16
    outcome_connections: Annotated[
        int,
        Variable(
            name="DATABASE_OUTCOME_CONNECTIONS",
            least=1,
            most=500,
            meaning="Connections of each process kept for what PDI was already asked",
        ),
    ] = 4
    acquire_seconds: Annotated[
        float,
        Variable(name="DATABASE_ACQUIRE_SECONDS", least=0.01, most=60, meaning="Longest wait for a connection"),
    ] = 0.5
    waiting: Annotated[
        int, Variable(name="DATABASE_WAITING", least=1, most=100_000, meaning="Most calls that wait for a connection")
    ] = 200


class CacheSettings(Section, frozen=True, kw_only=True):
    """Redis."""

    url: Annotated[
        str, Variable(name="REDIS_URL", secret=True, meaning="Redis 7 or Valkey: `redis://…`, `rediss://…`, `unix://…`")
    ]
